import { randomInt } from 'node:crypto';

/** Of `GTPACK_CHAOS_SEED`, so that a run can be had again; any other one without it. */
export function chaosSeed(): number {
  return numberOf('GTPACK_CHAOS_SEED') ?? randomInt(2 ** 31);
}

/** Of `GTPACK_CHAOS_ROUNDS`; 20 without it. */
export function chaosRounds(): number {
  return numberOf('GTPACK_CHAOS_ROUNDS') ?? 20;
}

function numberOf(name: string): number | undefined {
  const text = process.env[name];
  if (text === undefined) return undefined;
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new Error(`${name}: expected a whole number, got ${JSON.stringify(text)}.`);
}
