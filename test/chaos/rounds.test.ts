import { expect, test } from 'vitest';
import { embedded } from './embedded.ts';
import { surviveRounds } from './rounds.ts';
import { chaosRounds, chaosSeed } from './seed.ts';

const rounds = chaosRounds();
const seed = chaosSeed();
/** What one round may take on a busy machine. */
const ROUND_MS = 20_000;

test(
  `B1 B2 B3 B4 on the embedded bus, what got 202 has one result, and no recorded effect is repeated, whatever was killed in ${rounds} rounds`,
  async () => {
    say(`embedded: seed ${seed}, ${rounds} rounds; GTPACK_CHAOS_SEED=${seed} runs them again`);
    const { accepted, hostExit } = await surviveRounds({
      bus: embedded,
      seed,
      rounds,
      say: (line) => say(`embedded: ${line}`),
    });
    expect(hostExit).toBe(0);
    expect(accepted).toBeGreaterThan(rounds);
  },
  rounds * ROUND_MS,
);

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
