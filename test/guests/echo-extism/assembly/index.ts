// The echo of ../../echo-as as a plugin of Extism, against its host functions as they are: bytes in, the same bytes out,
// eight at a time. No string is made of them, so that it costs Extism as little as it can.
// @ts-ignore: decorator
@external("extism:host/env", "input_length")
declare function inputLength(): u64;
// @ts-ignore: decorator
@external("extism:host/env", "input_load_u64")
declare function inputLoad8(offset: u64): u64;
// @ts-ignore: decorator
@external("extism:host/env", "input_load_u8")
declare function inputLoad1(offset: u64): u32;
// @ts-ignore: decorator
@external("extism:host/env", "alloc")
declare function alloc(length: u64): u64;
// @ts-ignore: decorator
@external("extism:host/env", "store_u64")
declare function store8(offset: u64, value: u64): void;
// @ts-ignore: decorator
@external("extism:host/env", "store_u8")
declare function store1(offset: u64, value: u32): void;
// @ts-ignore: decorator
@external("extism:host/env", "output_set")
declare function outputSet(offset: u64, length: u64): void;

export function echo(): i32 {
  const length = inputLength();
  const output = alloc(length);
  let at: u64 = 0;
  for (; at + 8 <= length; at += 8) store8(output + at, inputLoad8(at));
  for (; at < length; at++) store1(output + at, inputLoad1(at));
  outputSet(output, length);
  return 0;
}
