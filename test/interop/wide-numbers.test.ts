import { expect, test } from 'vitest';
import { textComponent } from './component-maker.ts';
import { openFieldCell } from './field-cell.ts';

/** A script's engine has no 64-bit integers, so this is written by hand. */
const WIT = `package test:built@0.1.0;
world built {
  export echo-signed: func(v: s64) -> s64;
  export echo-unsigned: func(v: u64) -> u64;
}`;

const WAT = `(module
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "echo-signed") (param i64) (result i64) local.get 0)
  (func (export "echo-unsigned") (param i64) (result i64) local.get 0))`;

test('64-bit integers keep every digit, as a string where a number would not hold them', async () => {
  const cell = await openFieldCell(await textComponent(WIT, WAT));
  try {
    for (const v of ['-9223372036854775808', '9223372036854775807', '-9007199254740993', 7, -7, 2 ** 53 - 1])
      expect(await cell.output('echo-signed', { v })).toBe(v);
    for (const v of ['18446744073709551615', '9007199254740993', 0])
      expect(await cell.output('echo-unsigned', { v })).toBe(v);
    // What a number would have held is one again.
    expect(await cell.output('echo-signed', { v: '12' })).toBe(12);
  } finally {
    await cell.stop();
  }
});
