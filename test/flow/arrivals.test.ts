import { expect, test } from 'vitest';
import type { Delivery, EventMessage } from '../../host/bus/bus.ts';
import { awaitedOf, type ParkedRun, parkedRuns, parkingTimer } from '../../host/bus/parked.ts';
import type { StoredTimer } from '../../host/bus/timers.ts';
import { WaitIndex } from '../../host/bus/waits.ts';
import { GtpackError } from '../../host/errors.ts';
import { parseEventType, parseTenantId } from '../../host/event/names.ts';
import { Arrivals } from '../../host/flow/arrivals.ts';
import { keyOf, parkedRun, resumedRun } from '../../host/flow/parked-run.ts';
import type { Job, JobResult } from '../../host/sandbox/protocol.ts';

const tenant = parseTenantId('acme');
const owner = parkedRuns(tenant);
const TYPE = parseEventType('payment.received');
const EVENT = '{"id":"e1","payload":{"id":7}}';

type Answer =
  | 'waiting'
  | 'passed'
  | { readonly code: 'cell_lost' | 'flow_failed'; readonly retryable: boolean };

/** Parked runs of one tenant, in memory; what a run says of an event, a test says. */
class World {
  readonly index = new WaitIndex();
  readonly timers = new Map<string, StoredTimer>();
  readonly fired: EventMessage[] = [];
  readonly asked: string[] = [];
  readonly faults: string[] = [];
  answers = new Map<string, Answer>();
  isAway = false;

  readonly arrivals = new Arrivals({
    bus: {
      waits: {
        has: (of) => this.index.has(of),
        catchUp: async () => {
          if (this.isAway) throw new GtpackError('bus_unavailable', 'The server is away.');
        },
        find: (...asked) => this.index.find(...asked),
      },
      timers: {
        get: async (_, id) => this.timers.get(id) ?? null,
        fire: async (_, { id }, event) => {
          if (!this.timers.delete(id)) return false;
          this.index.drop(id);
          this.fired.push(event);
          return true;
        },
      } as Pick<StoredTimers, 'get' | 'fire'> as StoredTimers,
    },
    cells: { submit: async (_, job) => this.#submit(job) },
    versions: { load: async () => [] },
    newTraceId: () => '0'.repeat(32),
    onFault: (_, message) => this.faults.push(message),
  });

  /** @param value what the event holds at `payload.id` */
  park(runId: string, position: number, value?: number): void {
    const key = value === undefined ? {} : { key: { path: ['payload', 'id'], value: String(value) } };
    const awaits = { ordinal: 2, pattern: 'payment.*', ...key };
    const parked = { due: 5000, waits: 1, journal: [{ ordinal: 2, entry: '{"n":2}' }], awaits };
    const outcome = {
      runId,
      flow: 'orders',
      status: 'waiting',
      journalJson: '[]',
      durationMs: 1,
      parked,
    } as const;
    const of = { id: 'own', type: TYPE, json: '{"id":"own"}' };
    const delivery = { ...of, sequence: position, attempt: 1, redelivered: false };
    const run = parkedRun(delivery, 0, outcome, [['orders', 'd']], of, 0);
    if (run === null) throw new Error('A run that can be parked was expected.');
    this.#store(run);
  }

  #store(run: ParkedRun): void {
    const timer = { ...parkingTimer(run), revision: 1 };
    this.timers.set(run.id, timer);
    const awaited = awaitedOf(owner, timer.metadata);
    if (awaited !== undefined) this.index.add(run.id, tenant, run.id, awaited);
  }

  async #submit(job: Job): Promise<JobResult> {
    if (job.kind !== 'run') throw new Error('A run was expected.');
    const runs = job.runs.map(({ runId, flow, arrived }) => {
      this.asked.push(runId);
      expect(arrived).toEqual({ ordinal: 2, event: EVENT, isOffer: true });
      const answer = this.answers.get(runId) ?? 'waiting';
      const end = { runId, flow, journalJson: '[]', durationMs: 1 };
      if (typeof answer === 'string') return { ...end, status: answer };
      return { ...end, status: 'error' as const, error: { ...answer, message: 'It broke.', node: null } };
    });
    return { kind: 'runs', runs };
  }

  /** @returns whether the event may go on; undefined where nobody waits */
  offer(more: Partial<Delivery> = {}): Promise<boolean> | undefined {
    const event = { id: 'e1', type: TYPE, json: EVENT, sequence: 50, attempt: 1, redelivered: false };
    return this.arrivals.of(tenant, new Map()).offer({ ...event, ...more });
  }
}

type StoredTimers = ConstructorParameters<typeof Arrivals>[0]['bus']['timers'];

test('an event resumes those that want it, and of the others with another value none is even asked', async () => {
  const world = new World();
  world.park('a'.repeat(32), 1, 7);
  world.park('b'.repeat(32), 2, 8);
  world.park('c'.repeat(32), 3);
  world.park('d'.repeat(32), 4);
  world.answers.set('c'.repeat(32), 'passed');
  expect(await world.offer()).toBe(true);
  expect(world.asked).toEqual(['a', 'c', 'd'].map((letter) => letter.repeat(32)));
  expect(world.fired.map((event) => resumedRun(event))).toMatchObject(
    ['a', 'd'].map((letter) => ({
      runId: letter.repeat(32),
      arrived: { ordinal: 2, event: EVENT },
      event: { json: '{"id":"own"}' },
    })),
  );
  expect(await world.offer()).toBe(true);
  expect(world.fired).toHaveLength(2);
});

test('an event from before the one that brought a run to its wait is none of its', async () => {
  const world = new World();
  world.park('a'.repeat(32), 50);
  expect(await world.offer({ sequence: 50 })).toBe(true);
  expect(world.asked).toEqual([]);
  expect(await world.offer({ sequence: 51 })).toBe(true);
  expect(world.fired).toHaveLength(1);
});

test('what resumes a run, and what calls a flow, is offered to nobody', () => {
  const world = new World();
  world.park('a'.repeat(32), 1);
  expect(world.offer({ schedule: 'resume:x' })).toBeUndefined();
  expect(world.offer({ schedule: 'call:flow' })).toBeUndefined();
});

test('an event comes again where a run cannot be asked, and after five times goes on without it', async () => {
  const world = new World();
  const [broken, sound] = ['a'.repeat(32), 'b'.repeat(32)];
  world.park(broken, 1);
  world.park(sound, 2);
  world.answers.set(broken, { code: 'cell_lost', retryable: true });
  for (const attempt of [1, 4]) expect(await world.offer({ attempt })).toBe(false);
  // It was asked beside the other, and has its event.
  expect(world.fired).toHaveLength(1);
  expect(await world.offer({ attempt: 5 })).toBe(true);
  expect(world.timers.size).toBe(1);
  expect(world.faults.at(-1)).toContain(`The run ${broken} goes on waiting`);
  world.answers.set(broken, { code: 'flow_failed', retryable: false });
  expect(await world.offer()).toBe(true);
});

test('while the bus cannot tell who waits, no event goes on', async () => {
  const world = new World();
  world.park('a'.repeat(32), 1);
  world.isAway = true;
  expect(await world.offer({ attempt: 9 })).toBe(false);
  world.isAway = false;
  expect(await world.offer()).toBe(true);
  expect(world.fired).toHaveLength(1);
});

test('an event that is too large beside what the run goes on with resumes it, to say so', async () => {
  const world = new World();
  world.park('a'.repeat(32), 1);
  const [timer] = world.timers.values();
  if (timer === undefined) throw new Error('A parked run was expected.');
  world.timers.set(timer.id, {
    ...timer,
    payload: `${timer.payload.slice(0, -1)},"event":"${'x'.repeat(970 * 1024)}"}`,
  });
  expect(await world.offer()).toBe(true);
  expect(world.fired.map((event) => resumedRun(event))).toMatchObject([
    { arrived: { ordinal: 2, event: null } },
  ]);
});

test('what a cell says that its run waits for may be nonsense', () => {
  const of = { id: 'own', type: TYPE, json: '{}' };
  const delivery = { ...of, sequence: 3, attempt: 1, redelivered: false };
  const awaitedWith = (pattern: string, path: string[]) => {
    const awaits = { ordinal: 0, pattern, key: { path, value: '1' } };
    const parked = { due: 1, waits: 1, journal: [], awaits };
    const outcome = {
      runId: 'r',
      flow: 'f',
      status: 'waiting',
      journalJson: '[]',
      durationMs: 1,
      parked,
    } as const;
    return parkedRun(delivery, 0, outcome, [], of, 0)?.awaits;
  };
  expect(awaitedWith('a.>.b', ['x'])).toBeUndefined();
  expect(awaitedWith('a.*', ['x'.repeat(2000)])).toEqual({ pattern: 'a.*', after: 3 });
  expect(awaitedWith('a.*', ['x'])).toEqual({
    pattern: 'a.*',
    after: 3,
    key: { path: ['x'], value: keyOf('1') },
  });
});
