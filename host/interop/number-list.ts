import type { PrimitiveType } from '../pack/component-types.ts';

const ARRAYS = {
  s8: Int8Array,
  u8: Uint8Array,
  s16: Int16Array,
  u16: Uint16Array,
  s32: Int32Array,
  u32: Uint32Array,
  f32: Float32Array,
  f64: Float64Array,
} as const;
const BIG_ARRAYS = { s64: BigInt64Array, u64: BigUint64Array } as const;

/** A list as the glue takes it: numbers in a typed array, all else in a plain one. */
export function numberList(element: PrimitiveType, items: readonly unknown[]): unknown {
  if (element in ARRAYS) return ARRAYS[element as keyof typeof ARRAYS].from(items as readonly number[]);
  if (element in BIG_ARRAYS)
    return BIG_ARRAYS[element as keyof typeof BIG_ARRAYS].from(items as readonly bigint[]);
  return items;
}
