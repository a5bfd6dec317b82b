import type { TapListener, TappedMessage } from '../../host/bus/bus.ts';
import type {
  ControlHost,
  OperatorRecords,
  OperatorTimers,
  ScheduleLine,
} from '../../host/control/control.ts';
import { GtpackError } from '../../host/errors.ts';
import { parseEnvName, parseEventType, parseTenantId } from '../../host/event/names.ts';

const NO_RECORDS: OperatorRecords = {
  letters: async () => ({ items: [], next: null }),
  letter: async () => null,
  replay: async (letters) => letters.map(() => ({ outcome: 'gone', changed: null })),
  drop: async (letters) => letters.map(() => false),
  runs: async () => ({ items: [], next: null }),
  run: async () => null,
};

/** A host in memory. */
export class FakeHost implements ControlHost {
  readonly env = parseEnvName('dev');
  readonly listeners = new Set<TapListener>();
  readonly emitted: unknown[] = [];
  readonly records: OperatorRecords;
  /** Schedules that it has; a page of them holds two. */
  schedules: readonly ScheduleLine[] = [];
  readonly timers: OperatorTimers = {
    page: async ({ next, from }) => ({
      schedules: this.schedules
        .slice(from, from + 2)
        .map((schedule) => ({ ...schedule, next: schedule.next.slice(0, next) })),
      timers:
        from === 0
          ? [
              {
                tenant: 'demo',
                provider: 'orders',
                event_type: 'reminder.due',
                count: 2,
                next: 1_767_225_600_000,
              },
            ]
          : [],
      more: from + 2 < this.schedules.length ? from + 2 : null,
    }),
  };
  onTap: () => void = () => {};

  /** @param records what it has of dead letters and runs; nothing unless told */
  constructor(records: OperatorRecords = NO_RECORDS) {
    this.records = records;
  }

  tap(listener: TapListener): () => void {
    this.listeners.add(listener);
    this.onTap();
    return () => {
      this.listeners.delete(listener);
      this.onTap();
    };
  }

  async emit(tenant: string, type: string, payload: string) {
    if (type === 'bad type') {
      throw new GtpackError('event_type_invalid', 'No event type.', { cure: 'Write order.created.' });
    }
    if (type === 'broken') throw new TypeError('broken');
    this.emitted.push([tenant, type, payload]);
    return { id: `id-${this.emitted.length}`, duplicate: false };
  }

  status() {
    return { url: 'http://localhost:1', env: 'dev', tenants: [{ id: 'demo' }, { id: 'two' }] };
  }

  quarantined() {
    return [
      {
        tenant: 'demo',
        source: 'flow:x',
        remaining_ms: 59_001,
        times: 2,
        detail: 'It ran\u001b[2J for ever.',
      },
    ];
  }

  release(tenant: string, source: string): boolean {
    return tenant === 'demo' && source === 'flow:x';
  }

  pass(...messages: Partial<TappedMessage>[]): void {
    const whole = messages.map(
      (message): TappedMessage => ({
        kind: 'event',
        tenant: parseTenantId('demo'),
        type: parseEventType('order.created'),
        json: '{"id":"1"}',
        ...message,
      }),
    );
    for (const listener of this.listeners) listener(whole);
  }

  /** Resolves when that many tails listen. */
  listening(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.onTap = () => {
        if (this.listeners.size === count) resolve();
      };
      this.onTap();
    });
  }
}
