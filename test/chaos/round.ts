import { Random } from './random.ts';

/**
 * What is ended in a round:
 * - `host` the main process, and `start` that and then the next one while it starts
 * - `cell-host` a process that holds cells
 * - `slice` a cell, by an event whose guest never ends
 * - `bus` what the bus runs in
 */
export type Victim = 'host' | 'start' | 'cell-host' | 'slice' | 'bus';

export interface Round {
  readonly number: number;
  readonly victim: Victim;
  readonly events: readonly PlannedEvent[];
  /** From the first event on. */
  readonly killAfterMs: number;
  /** From the start of the next host on; of `start` only. */
  readonly killStartAfterMs: number;
  /** Which of several cell hosts, from 0 up to, not including, 1. */
  readonly which: number;
  /** All that was accepted has to be done before the next round. */
  readonly settles: boolean;
}

export interface PlannedEvent {
  /** Counts over all rounds. */
  readonly n: number;
  readonly tenant: string;
  /** From the first event of the round on. */
  readonly sendAfterMs: number;
  /** Sent again, under the same idempotency key, until it is accepted. */
  readonly insists: boolean;
  /** Which of the flows that never end it is for; undefined for one that pays. */
  readonly spins?: number;
}

export const TENANTS = ['acme', 'globex', 'initech'] as const;
/** So many that none of them costs its cell often enough to be quarantined. */
export const SPINNING_FLOWS = 4;

const SHARES = { host: 30, 'cell-host': 34, bus: 14, slice: 15, start: 7 };
/** A run gives up its event after five cells that it was in. */
const MAX_CELL_DEATHS = 3;

/** The rounds of a seed. The first so many are the same however many there are. */
export function planRounds(seed: number, count: number): Round[] {
  const random = new Random(seed);
  const rounds: Round[] = [];
  let n = 0;
  let spun = 0;
  let cellDeaths = 0;
  for (let number = 1; number <= count; number += 1) {
    const victim = random.oneOf(SHARES);
    const killAfterMs = random.whole(0, 120);
    const events: PlannedEvent[] = [];
    for (let left = random.whole(4, 30); left > 0; left -= 1) {
      const tenant = TENANTS[random.whole(0, TENANTS.length - 1)] ?? TENANTS[0];
      const sendAfterMs = random.whole(0, 100);
      events.push({ n, tenant, sendAfterMs, insists: random.isLucky(0.7) });
      n += 1;
    }
    if (victim === 'slice') {
      const tenant = TENANTS[spun % TENANTS.length] ?? TENANTS[0];
      const spins = Math.floor(spun / TENANTS.length) % SPINNING_FLOWS;
      events.push({ n, tenant, sendAfterMs: killAfterMs, insists: true, spins });
      n += 1;
      spun += 1;
    }
    if (victim === 'slice' || victim === 'cell-host') cellDeaths += 1;
    const settles = random.isLucky(0.6) || cellDeaths === MAX_CELL_DEATHS;
    if (settles) cellDeaths = 0;
    rounds.push({
      number,
      victim,
      events,
      killAfterMs,
      killStartAfterMs: random.whole(0, 900),
      which: random.next(),
      settles,
    });
  }
  return rounds;
}

export function roundText({ number, victim, killAfterMs, killStartAfterMs, events, settles }: Round): string {
  const start = victim === 'start' ? ` and ${killStartAfterMs} ms into the next start` : '';
  return `round ${number}: ${victim} after ${killAfterMs} ms${start}, ${events.length} events${settles ? ', settles' : ''}`;
}
