import { afterEach, describe, expect, test } from 'vitest';
import type { ProviderSchemas, SchemaText } from '../../host/contract.ts';
import type { ErrorCode } from '../../host/errors.ts';
import { loadSchemaCompiler, SchemaChecks } from '../../host/sandbox/json-schema.ts';
import type { Job } from '../../host/sandbox/protocol.ts';
import type { Sandbox, TenantCode } from '../../host/sandbox/sandbox.ts';
import { alpha, assemblyScriptTenant, compileGuest, openSandbox } from './cell.ts';

const compile = loadSchemaCompiler();
const schema = (value: unknown): SchemaText => ({ path: 'schemas/x.json', text: JSON.stringify(value) });

describe('a schema', () => {
  const check = (value: unknown, json: unknown): string | undefined =>
    compile(schema(value))(JSON.stringify(json));

  test('says where a value differs, what was expected, and what came', () => {
    const config = {
      type: 'object',
      additionalProperties: false,
      required: ['mode'],
      properties: { mode: { enum: ['fast', 'slow'] }, limits: { items: { type: 'integer', minimum: 1 } } },
    };
    expect(check(config, { mode: 'fast', limits: [1, 2] })).toBeUndefined();
    expect(check(config, {})).toBe("the value must have required property 'mode'; it is an object");
    expect(check(config, { mode: 'odd' })).toBe(
      '/mode must be equal to one of the allowed values (["fast","slow"]); it is a text of 3 characters',
    );
    expect(check(config, { mode: 'fast', limits: [1, 0.5] })).toBe('/limits/1 must be integer; it is 0.5');
    expect(check(config, { mode: 'fast', more: 1 })).toBe(
      'the value must NOT have additional properties ("more"); it is an object',
    );
  });

  test('may be of 2020-12 or of draft-07, each with its own words', () => {
    const tuple = { type: 'array', prefixItems: [{ type: 'string' }], items: false };
    expect(check(tuple, ['a', 'b'])).toMatch(/must NOT have more than 1 items/);
    const old = { $schema: 'http://json-schema.org/draft-07/schema#', items: [{ type: 'string' }] };
    expect(check({ ...old, additionalItems: false }, ['a', 'b'])).toMatch(/must NOT have more than 1 items/);
    expect(
      check({ ...tuple, $schema: 'https://json-schema.org/draft/2020-12/schema' }, ['a']),
    ).toBeUndefined();
  });

  test('is not found by another, whatever it calls itself or its parts', () => {
    const compile = loadSchemaCompiler();
    const names = {
      $id: 'https://a.example/a',
      $defs: { part: { $id: 'https://a.example/part', type: 'string' } },
    };
    for (const text of [JSON.stringify(names), JSON.stringify(names).replaceAll('$id', '\\u0024id')]) {
      // The same again: nothing is there already.
      for (let time = 0; time < 2; time += 1) expect(compile({ path: 'a', text })('1')).toBeUndefined();
    }
    const { $id } = names;
    const $defs = { part: { type: 'string' } };
    for (const other of [
      { $ref: $id },
      { $ref: 'https://a.example/part' },
      { $id, $defs, $ref: 'https://a.example/part' },
    ]) {
      expect(() => compile({ path: 'b', text: JSON.stringify(other) })).toThrow(/can't resolve reference/);
    }
  });

  test('takes a format that nobody checks for a note', () => {
    expect(check({ format: 'email' }, 'no address')).toBeUndefined();
  });

  test.each([
    ['a reference to the network', { $ref: 'https://example.com/schema.json' }, /can't resolve reference/],
    ['a reference to a file', { $ref: 'other.json' }, /can't resolve reference/],
    ['another dialect', { $schema: 'https://json-schema.org/draft/2019-09/schema' }, /neither/],
    ['a dialect of its own', { $schema: { a: 1 } }, /neither/],
    ['an asynchronous one', { $async: true }, /asynchronous/],
    ['a type that JSON lacks', { type: 'date' }, /schema is invalid/],
    ['a pattern that is none', { pattern: '(' }, /Invalid regular expression/],
  ])('with %s is refused', (_title, value, message) => {
    expect(() => compile(schema(value))).toThrow(message);
    expect(() => compile(schema(value))).toThrow(
      expect.objectContaining({ code: 'pack_schema_invalid' satisfies ErrorCode }),
    );
  });

  test('that nests beyond the stack is refused, and harms nothing', () => {
    const text = `${'{"not":'.repeat(20_000)}{}${'}'.repeat(20_000)}`;
    expect(() => compile({ path: 'schemas/deep.json', text })).toThrow(/cannot be used/);
  });

  test('runs nothing of what its texts say', () => {
    const evil = '"];globalThis.pwned=1;["';
    const texts = {
      title: evil,
      required: [evil],
      properties: { [evil]: { const: evil, pattern: '"`' } },
    };
    expect(check(texts, { [evil]: 1 })).toBeDefined();
    expect(check({ $id: evil, $defs: { [evil]: {} }, $comment: evil, enum: [evil] }, 1)).toBeDefined();
    expect('pwned' in globalThis).toBe(false);
  });
});

test('an operation without schemas is not checked', () => {
  const checks = new SchemaChecks('p', { config: undefined, operations: [] }, compile);
  checks.config('1');
  checks.operation('other', 'input', '1');
});

const guest = await compileGuest('misbehaving');

describe('in a cell', () => {
  let opened: Sandbox | undefined;
  afterEach(() => opened?.stop());

  const withSchemas = (schemas: ProviderSchemas, config: string): TenantCode => {
    const code = assemblyScriptTenant(alpha, guest, config);
    const providers = code.spec.providers.map((provider) => ({ ...provider, schemas }));
    return { ...code, spec: { ...code.spec, providers } };
  };
  const open = (code: TenantCode): ReturnType<typeof openSandbox> => {
    const test = openSandbox();
    opened = test.sandbox;
    test.sandbox.register(alpha, code);
    return test;
  };
  const NONE = { config: undefined, operations: [] };

  test('a config that does not match is refused when the cell opens, with its path', async () => {
    const config = schema({ properties: { retries: { type: 'integer' } } });
    const { sandbox } = open(withSchemas({ ...NONE, config }, '{"retries":"three"}'));
    await expect(sandbox.prepare(alpha)).rejects.toMatchObject({
      code: 'config_invalid',
      message:
        'The config of the provider guest does not match its schema: /retries must be integer; it is a text of 5 characters.',
    });
  });

  test('a config that matches opens it, after the cell gave up reading files', async () => {
    const config = schema({ properties: { retries: { type: 'integer' } } });
    const { sandbox } = open(withSchemas({ ...NONE, config }, '{"retries":3}'));
    expect(await sandbox.prepare(alpha)).toEqual([]);
  });

  test('a pattern that never ends costs its own provider the cell, within its slice', async () => {
    const config = schema({ pattern: '^(a+)+$' });
    const { sandbox, losses } = open(withSchemas({ ...NONE, config }, JSON.stringify(`${'a'.repeat(64)}!`)));
    await expect(sandbox.prepare(alpha)).rejects.toMatchObject({ code: 'plugin_invalid' });
    expect(losses).toMatchObject([{ reason: 'overrun', source: 'guest' }]);
  });

  test('the input of an operation is checked before the guest is called, its output after', async () => {
    const job = (input: string): Job => ({ kind: 'invoke', provider: 'guest', operation: 'echo', input });
    const run = (part: 'input' | 'output'): ProviderSchemas => ({
      ...NONE,
      operations: [{ name: 'echo', input: undefined, output: undefined, [part]: schema({ type: 'null' }) }],
    });
    const { sandbox } = open(withSchemas(run('input'), 'null'));
    await expect(sandbox.submit(alpha, job('{"a":1}'))).rejects.toMatchObject({
      code: 'operation_input_invalid',
      message:
        "The input of guest's operation echo does not match its schema: the value must be null; it is an object.",
    });
    await sandbox.stop();
    const second = open(withSchemas(run('output'), 'null'));
    expect(await second.sandbox.submit(alpha, job('null'))).toEqual({ kind: 'output', output: 'null' });
    await expect(second.sandbox.submit(alpha, job('"text"'))).rejects.toMatchObject({
      code: 'operation_output_invalid',
    });
  });
});
