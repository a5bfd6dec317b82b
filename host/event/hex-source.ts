import { Buffer } from 'node:buffer';
import { randomFillSync } from 'node:crypto';

/** Fills the whole array with random bytes. */
export type RandomFill = (bytes: Uint8Array) => void;

/** Gives random bytes as lower-case hex digits, two a byte. */
export type HexSource = (bytes: number) => string;

const POOL_BYTES = 2048;

/** Random hex digits, drawn from the generator 2 KiB at a time: one draw costs more than 100 of these. */
export function hexSource(fill: RandomFill = (bytes) => randomFillSync(bytes)): HexSource {
  const pool = Buffer.allocUnsafeSlow(POOL_BYTES);
  let digits = '';
  let used = 0;
  return (bytes) => {
    if (used + bytes * 2 > digits.length) {
      fill(pool);
      digits = pool.toString('hex');
      used = 0;
    }
    used += bytes * 2;
    return digits.slice(used - bytes * 2, used);
  };
}
