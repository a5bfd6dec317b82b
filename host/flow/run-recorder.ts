import type { Bus } from '../bus/bus.ts';
import { GtpackError } from '../errors.ts';
import type { TenantId } from '../event/names.ts';
import type { EffectAnswer, RunJournal } from '../sandbox/protocol.ts';

/**
 * Stores what runs did before they go on (F5, promise B3). The bus commits what comes together in one group, so a record
 * costs a share of one sync of the disk.
 */
export class RunRecorder {
  readonly #bus: Pick<Bus, 'publish'>;

  constructor(bus: Pick<Bus, 'publish'>) {
    this.#bus = bus;
  }

  /** Resolves with `ok` when the entries are durable; never rejects. */
  async record(tenant: TenantId, { runId, journal }: RunJournal): Promise<EffectAnswer> {
    try {
      await this.#bus.publish(
        tenant,
        [],
        // By name: a cell's entry that named a run of its own would be written into that one.
        journal.map(({ ordinal, entry }) => ({ runId, ordinal, entry })),
      );
      return { kind: 'ok', output: 'null' };
    } catch (error) {
      const known = error instanceof GtpackError;
      const message = known ? error.problems[0].message : 'The bus stored nothing.';
      const code = known ? error.code : 'bus_unavailable';
      return { kind: 'problem', problem: { code, message, retryable: known ? error.retryable : true } };
    }
  }
}
