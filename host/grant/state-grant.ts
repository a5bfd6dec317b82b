import type * as z from 'zod';
import { MAX_STATE_VALUE_BYTES } from '../contract.ts';
import { count, duration, mapping, size } from '../written/readers.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const YEAR_MS = 365 * 86_400_000;

/**
 * `state` of a provider's grants, as people write it. `state: {}` grants it with the defaults.
 *
 *     state:
 *       max_bytes: 1MiB     # keys and values together, as UTF-8; default 1MiB
 *       max_value: 64KiB    # one value as JSON text; default 64KiB
 *       max_keys: 1000      # default 1000
 *       ttl: 30d            # a value is gone so long after it was set; default: it stays
 */
export const stateGrantShape = mapping({
  max_bytes: size(KiB, 1024 * MiB).optional(),
  max_value: size(1, MAX_STATE_VALUE_BYTES).optional(),
  max_keys: count(1, 1_000_000).optional(),
  ttl: duration(1000, 10 * YEAR_MS).optional(),
});

/** How much a provider may keep in its store of JSON values. */
export interface StateGrant {
  /** Keys and values together, as UTF-8. */
  readonly maxBytes: number;
  readonly maxValueBytes: number;
  readonly maxKeys: number;
  /** How long a value stays after it was set, in ms; null for as long as nobody deletes it. */
  readonly ttlMs: number | null;
}

export function parseStateGrant(file: z.output<typeof stateGrantShape>): StateGrant {
  return {
    maxBytes: file.max_bytes ?? MiB,
    maxValueBytes: file.max_value ?? 64 * KiB,
    maxKeys: file.max_keys ?? 1000,
    ttlMs: file.ttl ?? null,
  };
}
