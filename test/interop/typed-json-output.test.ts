import { expect, test } from 'vitest';
import { JsonBudget } from '../../host/interop/json-budget.ts';
import { toJson } from '../../host/interop/typed-json-output.ts';
import type { ValueType } from '../../host/pack/component-types.ts';
import { MAX_REPLY_BYTES } from '../../host/sandbox/plugin.ts';

const text: ValueType = { kind: 'primitive', name: 'string' };
const bytes: ValueType = { kind: 'list', element: { kind: 'primitive', name: 'u8' }, length: undefined };
const listOf = (element: ValueType): ValueType => ({ kind: 'list', element, length: undefined });

test.each<[string, ValueType, unknown]>([
  ['one text, a thousand times', listOf(text), Array(1000).fill('x'.repeat(10_000))],
  ['one list of bytes, a thousand times', listOf(bytes), Array(1000).fill(new Uint8Array(10_000))],
  ['a million and one numbers', listOf({ kind: 'primitive', name: 'u32' }), new Uint32Array(1_000_001)],
  ['bytes that are too many as base64', bytes, new Uint8Array(MAX_REPLY_BYTES)],
])('%s is given up on the way, before it is a text', (_, type, value) => {
  expect(() => toJson(type, value, new JsonBudget())).toThrow(
    expect.objectContaining({ code: 'guest_output_invalid' }),
  );
});
