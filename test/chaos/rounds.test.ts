import { describe, expect, test } from 'vitest';
import { natsServerPath } from '../nats/server.ts';
import { embedded } from './embedded.ts';
import { natsUnderTest } from './nats.ts';
import { surviveRounds } from './rounds.ts';
import { chaosRounds, chaosSeed } from './seed.ts';

const rounds = chaosRounds();
const seed = chaosSeed();
/** What one round may take on a busy machine. */
const ROUND_MS = 20_000;

describe.each([
  { name: 'the embedded bus', open: () => Promise.resolve(embedded), isHere: true },
  { name: 'NATS', open: natsUnderTest, isHere: natsServerPath() !== undefined },
])('on $name', ({ name, open, isHere }) => {
  test.skipIf(!isHere)(
    `B1 B2 B3 B4 what got 202 has one result, and no recorded effect is repeated, whatever was killed in ${rounds} rounds`,
    async () => {
      const say = (line: string): void => {
        process.stdout.write(`${name}: ${line}\n`);
      };
      say(`seed ${seed}, ${rounds} rounds; GTPACK_CHAOS_SEED=${seed} runs them again`);
      const { accepted, hostExit } = await surviveRounds({ bus: await open(), seed, rounds, say });
      expect(hostExit).toBe(0);
      expect(accepted).toBeGreaterThan(rounds);
    },
    rounds * ROUND_MS,
  );
});
