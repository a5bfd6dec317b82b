import { encode } from 'cborg';
import { afterEach, expect, test } from 'vitest';
import { type ComponentSource, scriptComponent } from './component-maker.ts';
import { type FieldCell, openFieldCell } from './field-cell.ts';
import { NODE_CBOR, NODE_CONTEXTS, nodeWit, RUN_CBOR, RUNTIME_CBOR, SCHEMA_CORE } from './field-wit.ts';
import { SCHEMA_CORE_SCRIPT, TEXT_BYTES } from './guest-script.ts';

const cells: FieldCell[] = [];
afterEach(async () => {
  for (const cell of cells.splice(0)) await cell.stop();
});

async function open(source: ComponentSource): Promise<FieldCell> {
  const cell = await openFieldCell(await scriptComponent(source));
  cells.push(cell);
  return cell;
}

test('a schema-core component describes itself, says how it is, checks a config and runs operations by JSON bytes', async () => {
  const cell = await open({
    world: 'world built { export greentic:provider-schema-core/schema-core-api@1.0.0; }',
    packages: [SCHEMA_CORE],
    script: `const operations = { echo: (input) => input };${SCHEMA_CORE_SCRIPT}`,
  });
  expect(await cell.output('describe')).toEqual({ provider_type: 'test', ops: ['echo'] });
  expect(await cell.output('healthcheck')).toEqual({ status: 'ok' });
  expect(await cell.output('validate-config', { a: 'ü' })).toEqual({ valid: true, config: { a: 'ü' } });
  expect(await cell.output('echo', { text: '€ 😀', deep: [[{ n: -1.5e300 }]] })).toEqual({
    text: '€ 😀',
    deep: [[{ n: -1.5e300 }]],
  });
});

const NODE_SCRIPT = `
export const node = {
  getManifest: () => '{"name":"node"}',
  invoke: (ctx, op, input) => {
    if (op === 'context') return { tag: 'ok', val: JSON.stringify(ctx, (_, v) => (typeof v === 'bigint' ? String(v) : v)) };
    if (op === 'echo') return { tag: 'ok', val: input };
    return { tag: 'err', val: { code: 'InvalidInput', message: 'no ' + op, retryable: true, backoffMs: 5, details: undefined } };
  },
  invokeStream: () => [],
};`;

test.each(
  (['0.4.0', '0.5.0'] as const).flatMap((version) =>
    Object.keys(NODE_CONTEXTS).map((context) => [version, context as keyof typeof NODE_CONTEXTS] as const),
  ),
)(
  'a node %s with the %s context is told its tenant, and answers JSON or its own error',
  async (version, context) => {
    const cell = await open({
      world: `world built { export greentic:component/node@${version}; }`,
      packages: [nodeWit(version, context)],
      script: NODE_SCRIPT,
    });
    expect(await cell.output('context')).toMatchObject({
      tenant: { tenant: 'alpha', attempt: 1 },
      flowId: 'guest',
    });
    expect(await cell.output('echo', { a: [1, 'ü'] })).toEqual({ a: [1, 'ü'] });
    expect(await cell.output('describe')).toEqual({ name: 'node' });
    expect(await cell.invoke('nope')).toEqual({
      kind: 'problem',
      problem: { code: 'invalidinput', message: 'no nope', retryable: true },
    });
  },
);

/** Writes maps, lists, texts, small whole numbers and nothing else. */
const CBOR_SCRIPT = `${TEXT_BYTES}
const head = (major, n) => (n < 24 ? [major << 5 | n] : n < 256 ? [major << 5 | 24, n] : [major << 5 | 25, n >> 8, n & 255]);
const cbor = (v) =>
  v === null ? [0xf6] : typeof v === 'boolean' ? [v ? 0xf5 : 0xf4] : typeof v === 'number' ? head(0, v)
  : typeof v === 'string' ? [...head(3, toBytes(v).length), ...toBytes(v)]
  : v instanceof Uint8Array ? [...head(2, v.length), ...v]
  : Array.isArray(v) ? [...head(4, v.length), ...v.flatMap(cbor)]
  : [...head(5, Object.keys(v).length), ...Object.entries(v).flatMap(([k, each]) => [...cbor(k), ...cbor(each)])];
const toCbor = (v) => Uint8Array.from(cbor(v));
`;

test('a node 0.6 takes and gives CBOR in an envelope, describes itself by its type, and has errors of its own', async () => {
  const cell = await open({
    world: 'world built { export greentic:component/node@0.6.0; }',
    packages: [NODE_CBOR],
    script: `${CBOR_SCRIPT}
export const node = {
  describe: () => ({ name: 'cbor', version: '1', ops: [{ name: 'echo', summary: undefined }] }),
  invoke: (op, envelope) => {
    if (op === 'context') return { ok: true, outputCbor: toCbor({ tenant: envelope.ctx.tenantId, env: envelope.ctx.envId, component: envelope.componentId }) };
    if (op === 'bytes') return { ok: true, outputCbor: toCbor({ raw: envelope.payloadCbor }) };
    if (op === 'nothing') return { ok: true, outputCbor: new Uint8Array() };
    if (op === 'echo') return { ok: true, outputCbor: envelope.payloadCbor };
    throw { code: 'not-here', message: 'no ' + op, retryable: false, backoffMs: undefined, details: undefined };
  },
};`,
  });
  expect(await cell.output('describe')).toEqual({
    name: 'cbor',
    version: '1',
    ops: [{ name: 'echo', summary: null }],
  });
  expect(await cell.output('context')).toEqual({ tenant: 'alpha', env: 'test', component: 'guest' });
  const value = { text: '€', n: -7, big: 2 ** 40, half: 0.5, list: [true, null], deep: { a: [{}] } };
  expect(await cell.output('echo', value)).toEqual(value);
  expect(await cell.output('bytes', [1])).toEqual({ raw: Buffer.from(encode([1])).toString('base64') });
  expect(await cell.output('nothing')).toBeNull();
  expect(await cell.invoke('nope')).toEqual({
    kind: 'problem',
    problem: { code: 'not_here', message: 'no nope', retryable: false },
  });
});

test('a bare CBOR runtime is called without an envelope, and described by its other interface', async () => {
  const cell = await open({
    world:
      'world built { export greentic:component/descriptor@0.6.1; export greentic:component/runtime@0.6.1; }',
    packages: [RUNTIME_CBOR],
    script: `${CBOR_SCRIPT}
export const descriptor = { describe: () => toCbor({ operations: ['echo'] }) };
export const runtime = { invoke: (op, input) => op === 'name' ? toCbor(op) : input };`,
  });
  expect(await cell.output('describe')).toEqual({ operations: ['echo'] });
  expect(await cell.output('name')).toBe('name');
  expect(await cell.output('echo', { a: [1] })).toEqual({ a: [1] });
});

test('a component that only runs does so for every operation, with an empty state', async () => {
  const cell = await open({
    world:
      'world built { export greentic:component/component-descriptor@0.6.0; export greentic:component/component-runtime@0.6.0; }',
    packages: [RUN_CBOR],
    script: `${CBOR_SCRIPT}
export const componentDescriptor = { describe: () => toCbor({ info: { id: 'runs' } }) };
export const componentRuntime = { run: (input, state) => ({ output: toCbor({ input, state }), newState: state }) };`,
  });
  expect(await cell.output('describe')).toEqual({ info: { id: 'runs' } });
  expect(await cell.output('whatever', { a: 1 })).toEqual({
    input: Buffer.from(encode({ a: 1 })).toString('base64'),
    state: Buffer.from(encode({})).toString('base64'),
  });
});

test('a component with several interfaces is called by the one that says most', async () => {
  const cell = await open({
    world:
      'world built { export greentic:component/runtime@0.6.1; export greentic:provider-schema-core/schema-core-api@1.0.0; }',
    packages: [SCHEMA_CORE, RUNTIME_CBOR],
    script: `const operations = { by: () => 'json' };${SCHEMA_CORE_SCRIPT}
export const runtime = { invoke: () => toBytes('cbor') };`,
  });
  expect(await cell.output('by')).toBe('json');
});
