import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { CatchUp } from '../../host/written/schedule.ts';
import { HandClock } from './hand-clock.ts';
import { MemorySchedules } from './memory-schedules.ts';
import { entry, every, quiet, startTicker } from './ticker.ts';

/** What happens to a host, by turns, over a clock that is moved by hand. */
type Step =
  /** It runs on. */
  | { readonly kind: 'run'; readonly seconds: number }
  /** It is stopped or killed, and another one starts later. */
  | { readonly kind: 'restart'; readonly seconds: number; readonly isKilled: boolean }
  /** Its machine sleeps, or its clock is set ahead. */
  | { readonly kind: 'jump'; readonly seconds: number }
  /** It runs on without a bus, which comes back or does not before the next step. */
  | { readonly kind: 'away'; readonly seconds: number; readonly isBack: boolean }
  /** It dies right after a tick was stored, before it hears of it. */
  | { readonly kind: 'die'; readonly seconds: number };

const seconds = (most: number) => fc.integer({ min: 1, max: most });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('run' as const), seconds: seconds(400) }),
  fc.record({ kind: fc.constant('restart' as const), seconds: seconds(1500), isKilled: fc.boolean() }),
  fc.record({ kind: fc.constant('jump' as const), seconds: fc.integer({ min: 120, max: 1500 }) }),
  fc.record({ kind: fc.constant('away' as const), seconds: seconds(600), isBack: fc.boolean() }),
  fc.record({ kind: fc.constant('die' as const), seconds: seconds(300) }),
);

const EVERY_S = 60;
const BACK_S = 31;
const START = Date.parse('2026-01-01T00:00:30Z');

/** What is promised, by instants alone. */
class Promised {
  readonly ticks: number[] = [];
  #at: number;
  #missedUntil: number;
  readonly #catchUp: CatchUp;
  readonly #windowMs: number;

  constructor(now: number, catchUp: CatchUp, windowMs: number) {
    this.#at = now;
    this.#missedUntil = now;
    this.#catchUp = catchUp;
    this.#windowMs = windowMs;
  }

  /** Nobody looked until now. */
  missed(now: number): void {
    this.#missedUntil = now;
  }

  /** A host with a bus has had the time to do what is due. */
  served(now: number): void {
    const due: number[] = [];
    const length = EVERY_S * 1000;
    for (let at = (Math.floor(this.#at / length) + 1) * length; at <= now; at += length) due.push(at);
    const young = (at: number): boolean => at >= this.#missedUntil - this.#windowMs;
    const missed = due.filter((at) => at <= this.#missedUntil && young(at));
    if (this.#catchUp === 'all') this.ticks.push(...missed);
    else if (this.#catchUp === 'latest') this.ticks.push(...missed.slice(-1));
    this.ticks.push(...due.filter((at) => at > this.#missedUntil));
    this.#at = due.at(-1) ?? this.#at;
  }
}

test('whatever happens to hosts, clocks and the bus, every instant that catch_up promises is ticked for, once and in order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 12 }),
      fc.constantFrom<CatchUp>('none', 'latest', 'all'),
      fc.constantFrom(90, 600, 86_400),
      async (steps, catchUp, windowS) => {
        const schedule = entry('a', every(EVERY_S), { catchUp, catchUpWindowMs: windowS * 1000 });
        const store = new MemorySchedules();
        const clock = new HandClock(new Date(START).toISOString());
        const promised = new Promised(START, catchUp, windowS * 1000);
        let host = await startTicker('', [schedule], { store, clock });
        const runFor = async (s: number): Promise<void> => {
          await host.runTo(new Date(clock.now() + s * 1000).toISOString(), 5000);
        };
        const back = async (): Promise<void> => {
          if (!store.isAway) return;
          store.isAway = false;
          await runFor(BACK_S);
        };
        const startAgain = async (): Promise<void> => {
          promised.missed(clock.now());
          host = await startTicker('', [schedule], { store, clock });
          await runFor(1);
          if (!store.isAway) promised.served(clock.now());
        };
        for (const { kind, ...of } of steps) {
          switch (kind) {
            case 'run':
              await back();
              await runFor(of.seconds);
              promised.served(clock.now());
              break;
            case 'away':
              store.isAway = true;
              await runFor(of.seconds);
              if ('isBack' in of && of.isBack) {
                await back();
                promised.served(clock.now());
              }
              break;
            case 'restart':
              // A host that is killed is one that nothing is heard of any more: it has no clock.
              if ('isKilled' in of && of.isKilled) clock.forget();
              else await host.scheduler.stop();
              clock.runTo(new Date(clock.now() + of.seconds * 1000).toISOString());
              await startAgain();
              break;
            case 'jump':
              await host.sleepTo(new Date(clock.now() + of.seconds * 1000).toISOString());
              promised.missed(clock.now());
              await runFor(BACK_S);
              if (!store.isAway) promised.served(clock.now());
              break;
            case 'die':
              await back();
              promised.served(clock.now());
              store.answersNothing = true;
              await runFor(of.seconds);
              // One tick at most is on its way of each schedule.
              promised.served(Math.max(clock.now() - of.seconds * 1000, store.events.at(-1)?.at ?? 0));
              clock.forget();
              store.answersNothing = false;
              await startAgain();
              break;
          }
        }
        await back();
        await quiet();
        promised.served(clock.now());
        await host.scheduler.stop();
        expect(store.events.map(({ at }) => at)).toEqual(promised.ticks);
      },
    ),
    { seed: 20_260_101, numRuns: 150 },
  );
});
