import { type HexSource, hexSource } from './hex-source.ts';

/** Gives the next id. @param nowMs milliseconds since the Unix epoch */
export type IdSource = (nowMs: number) => string;

/** Counters start below this, so at least 2,048 ids fit into a millisecond before the time runs ahead. */
const COUNTER_START = 0x800;
const COUNTER_END = 0x1000;

/**
 * UUIDs of version 7 (RFC 9562, section 5.7), each greater than the one before: within a millisecond a 12-bit counter
 * with a random start counts up (section 6.2, method 1); when it is used up, or when the clock goes back, the time of
 * the ids runs ahead of the clock. The other 62 bits are random.
 *
 * One source serves one thread; ids of two sources are unique, not ordered.
 */
export function uuidv7Source(hex: HexSource = hexSource()): IdSource {
  let lastMs = -1;
  let counter = 0;
  let time = '';
  return (nowMs) => {
    const ahead = nowMs <= lastMs;
    if (ahead) counter += 1;
    if (!ahead || counter === COUNTER_END) {
      lastMs = ahead ? lastMs + 1 : nowMs;
      counter = Number.parseInt(hex(2), 16) % COUNTER_START;
      const digits = lastMs.toString(16).padStart(12, '0');
      time = `${digits.slice(0, 8)}-${digits.slice(8)}`;
    }
    const random = hex(8);
    // The variant takes the first two bits of the field: 10.
    const variant = (Number.parseInt(random.slice(0, 1), 16) & 0x3) | 0x8;
    const count = counter.toString(16).padStart(3, '0');
    return `${time}-7${count}-${variant.toString(16)}${random.slice(1, 4)}-${random.slice(4)}`;
  };
}
