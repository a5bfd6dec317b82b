import { encode } from 'cborg';
import { describe, expect, test } from 'vitest';
import type { Json } from '../../host/event/json.ts';
import { FlowProgram } from '../../host/flow/executor.ts';
import { loadFlow } from '../../host/flow/load.ts';
import { RunEvent } from '../../host/flow/scope.ts';
import { NO_GRANTS } from '../../host/grant/grants.ts';
import { openAnyPack } from '../../host/interop/any-pack.ts';
import { DEFAULT_LIMITS } from '../../host/limits.ts';
import type { Pack } from '../../host/pack/pack.ts';
import { EVENT, harness, RUN, scripts } from '../flow/harness.ts';
import {
  type FieldFlowSpec,
  type FieldNodeSpec,
  fieldArchive,
  fieldComponent,
  symbolManifest,
} from './fixture/field-packs.ts';

const wasm = await fieldComponent();

async function packOfFlows(...flows: FieldFlowSpec[]): Promise<Pack> {
  const manifest = symbolManifest([{ id: 'shop.mailer' }], flows);
  const files = new Map([
    ['manifest.cbor', encode(manifest)],
    ['components/shop.mailer.wasm', wasm],
  ]);
  return openAnyPack(await fieldArchive(files), 'field.gtpack');
}

function send(mapping: unknown, routing?: unknown, more: Partial<FieldNodeSpec> = {}): FieldNodeSpec {
  return { component: 'shop.mailer', operation: 'send', mapping, routing, ...more };
}

interface Ran {
  /** Operation and input of each call, in their order. */
  readonly calls: readonly (readonly [operation: string, input: Json])[];
  readonly output: Json;
  readonly error?: string;
}

/** Converts a flow, loads it as this host loads any, and runs it with an event. */
async function ran(
  nodes: FieldFlowSpec['nodes'],
  payload: Json,
  replies: readonly Json[] = [],
): Promise<Ran> {
  const { flows, remarks } = await packOfFlows({ id: 'main', nodes });
  expect(remarks?.filter((remark) => !/is left empty|from nowhere/.test(remark))).toEqual([]);
  const providers = new Map([['shop-mailer', { invokes: true, operations: null }]]);
  const source = { text: flows[0]?.source ?? '', file: 'main', scripts: {} };
  const flow = await loadFlow(source, { grants: NO_GRANTS, grantee: 'x', providers });
  const h = harness();
  const calls: [string, Json][] = [];
  h.answerCall = async ({ operation, input }) => {
    calls.push([operation, JSON.parse(input) as Json]);
    return { kind: 'ok', output: JSON.stringify(replies[calls.length - 1] ?? {}) };
  };
  const program = new FlowProgram([flow], { limits: DEFAULT_LIMITS, scripts, host: h.host });
  const event = new RunEvent(JSON.stringify({ ...EVENT, payload }));
  const outcome = await program.run(
    { runId: RUN, flow: flow.name, trigger: 0, position: 1, journal: [] },
    event,
    h.host,
  );
  const output = JSON.parse(outcome.output ?? 'null') as Json;
  return { calls, output, ...(outcome.error === undefined ? {} : { error: outcome.error.code }) };
}

const PATHS = { a: send({ n: 1 }, { Next: { node_id: 'b' } }), b: send({ n: 2 }) };

describe('a flow of the field', () => {
  test('goes from node to node and ends with the output of the last', async () => {
    expect(await ran(PATHS, {}, [{ first: 1 }, { second: 2 }])).toEqual({
      calls: [
        ['send', { n: 1 }],
        ['send', { n: 2 }],
      ],
      output: { second: 2 },
    });
  });

  test('fills its templates from the payload, the node before and any other, with the types of the values', async () => {
    const { calls } = await ran(
      {
        a: send({}, { Next: { node_id: 'b-1' } }),
        'b-1': send({}, { Next: { node_id: 'c' } }),
        c: send({
          whole: '{{in}}',
          input: '{{ state.input.msg.text }}',
          entry: '{{entry.list[1].a}}',
          prev: ' {{ prev.n }} ',
          node: '{{node.a.deep["of it"]}}',
          state: '{{{state.nodes.b-1.payload.n}}}',
          text: 'Hello {{in.msg.text}}, {{in.msg.nobody}}{{nothing}}{{prev.n}}!',
          nested: [{ plain: 'as it is', list: '{{in.list}}' }],
        }),
      },
      { msg: { text: 'Änn 😀' }, list: [0, { a: null }] },
      [{ deep: { 'of it': true } }, { n: 2.5 }],
    );
    expect(calls[2]?.[1]).toEqual({
      whole: { msg: { text: 'Änn 😀' }, list: [0, { a: null }] },
      input: 'Änn 😀',
      entry: null,
      prev: 2.5,
      node: true,
      state: 2.5,
      text: 'Hello Änn 😀, 2.5!',
      nested: [{ plain: 'as it is', list: [0, { a: null }] }],
    });
  });

  test('fails where a text that is one template names what is not there, as its own host does', async () => {
    expect(await ran({ a: send({ to: '{{in.to}}' }) }, {})).toMatchObject({
      calls: [],
      error: 'expression_key_missing',
    });
  });

  const emit = (text: string): FieldNodeSpec => ({ component: 'emit.response', mapping: { text } });
  const ends = { x: emit('x'), y: emit('y'), z: emit('z') };

  const routings: readonly [string, unknown, Json, Json, string | null][] = [
    ['"Reply" ends it', 'Reply', {}, { o: 1 }, null],
    [
      'a status decides',
      { Branch: { on_status: { ok: 'x', 'no "way"': 'y' }, default: 'z' } },
      {},
      { status: 'no "way"' },
      'y',
    ],
    ['no status takes the default', { Branch: { on_status: { ok: 'x' }, default: 'z' } }, {}, {}, 'z'],
    [
      'no status and no default ends it',
      { Branch: { on_status: { ok: 'x' }, default: null } },
      {},
      { status: 1 },
      null,
    ],
    ['a custom route leads on', { Custom: [{ next: 'y' }] }, {}, {}, 'y'],
    ['a custom route leads out', { Custom: [{ out: true }] }, {}, {}, null],
    ['a custom route replies', { Custom: 'reply' }, {}, {}, null],
    [
      'the first condition that holds is taken, without regard to case',
      {
        Custom: [
          { condition: 'kind == "Card"', to: 'x' },
          { condition: "in.a.b == 'yes'", to: 'y' },
          { to: 'z' },
        ],
      },
      { a: { b: 'YES' } },
      { kind: 'text' },
      'y',
    ],
    [
      'a number and a boolean are compared by how they are written',
      {
        Custom: [
          { condition: 'n == 3', to: 'x' },
          { condition: 'b == true', to: 'y' },
        ],
      },
      {},
      { n: 4, b: true },
      'y',
    ],
    [
      'what is not there is not equal',
      { Custom: [{ condition: 'a.b != "c"', to: 'x' }] },
      {},
      { a: 'text' },
      'x',
    ],
    ['no condition that holds ends it', { Custom: [{ condition: 'a == "c"', to: 'x' }] }, {}, 'no map', null],
    [
      'an answer lies in the metadata of the message',
      { Custom: [{ condition: 'response.action == "go"', to: 'x' }] },
      { input: { metadata: { action: 'go' } } },
      {},
      'x',
    ],
    [
      'or in that of the payload itself',
      { Custom: [{ condition: 'response.action == "go"', to: 'x' }] },
      { metadata: { action: 'go' } },
      {},
      'x',
    ],
    [
      'one without a status is for all others, wherever it stands',
      { Custom: [{ to: 'z' }, { status: 'ok', to: 'x' }] },
      {},
      { status: 'ok' },
      'x',
    ],
  ];
  test.each(routings)('is routed: %s', async (_, routing, payload, reply, expected) => {
    const { output, error } = await ran({ a: send({}, routing), ...ends }, payload, [reply]);
    expect(error).toBeUndefined();
    expect(output).toEqual(expected === null ? reply : { text: expected });
  });

  const inputs: readonly [string, FieldNodeSpec, Json][] = [
    [
      'component.exec with whom it calls beside its input',
      { component: 'component.exec', mapping: { component: 'shop.mailer', operation: 'send', to: 'Ann' } },
      { to: 'Ann' },
    ],
    [
      'component.exec with an input of its own',
      {
        component: 'component.exec',
        mapping: { component: 'shop.mailer', op: 'send', input: { to: 'Ann' }, config: { a: 1 } },
      },
      { to: 'Ann', config: { a: 1 } },
    ],
    [
      'component and operation in one name',
      { component: 'shop.mailer.send', mapping: { to: 'Ann' } },
      { to: 'Ann' },
    ],
    ['an input wrapped in its call', send({ operation: 'other', input: { to: 'Ann' } }), { to: 'Ann' }],
  ];
  test.each(inputs)('gives a component what it was given elsewhere: %s', async (_, node, input) => {
    expect((await ran({ a: node }, {})).calls).toEqual([['send', input]]);
  });

  test('is started by its own type of event, another entrypoint by its name behind it', async () => {
    const entrypoints = { default: 'a', 'On Call': 'b', settings: { more: 1 } };
    const { flows } = await packOfFlows({ id: 'Set.Up', nodes: PATHS, entrypoints });
    expect(JSON.parse(flows[0]?.source ?? '').triggers).toEqual([
      { type: 'event', event_type: 'flow.field-shop.set-up.on-call', target: 'b' },
      { type: 'event', event_type: 'flow.field-shop.set-up', target: 'a' },
    ]);
  });

  test('without an entrypoint starts with its first node; what is reached from nowhere is left out', async () => {
    const nodes = { ...PATHS, lost: send({}) };
    const { flows, remarks } = await packOfFlows({ id: 'main', nodes, entrypoints: {} });
    expect(JSON.parse(flows[0]?.source ?? '')).toMatchObject({
      nodes: [{ id: 'a' }, { id: 'b' }],
      triggers: [{ target: 'a' }],
    });
    expect(remarks).toEqual([
      'The flow main is not quite what it was: 1 of its nodes are reached from nowhere and left out.',
    ]);
  });

  const unread: readonly [string, FieldFlowSpec['nodes'], string][] = [
    [
      'a component of no pack',
      { a: { component: 'other', operation: 'x' } },
      'calls other, which is no component of the pack',
    ],
    [
      'a node of its own host',
      { a: { component: 'session.wait' } },
      'calls session.wait, which is no component of the pack',
    ],
    [
      'a component of another pack',
      {
        a: send({}, 'End', { more: { component: { id: 'shop.mailer', operation: 'x', pack_alias: 'lib' } } }),
      },
      'calls a component of the pack lib',
    ],
    [
      'no operation',
      { a: send({}, 'End', { operation: null }) },
      'does not say which operation of shop.mailer it calls',
    ],
    [
      'a block',
      { a: send({ t: '{{#if in.x}}y{{/if}}' }) },
      'has the template {{#if in.x}}, which is more than a path',
    ],
    [
      'a value that no run has',
      { a: send({ t: '{{data}}' }) },
      'has the template {{data}}, which names nothing that a run has here',
    ],
    [
      'braces that do not close',
      { a: send({ t: 'a {{b' }) },
      'has the text a {{b, whose braces this host cannot read',
    ],
    [
      'a mapping of its output',
      { a: send({}, 'End', { more: { output: { mapping: { a: 1 } } } }) },
      'maps its output or its errors, which this host does not',
    ],
    [
      'an input that is no map',
      { a: send('{{in}}') },
      'gives its component what is no map, which an event node cannot',
    ],
    [
      'a field of event nodes',
      { a: send({ provider: 'x' }) },
      'gives its component the field provider, which an event node keeps for itself',
    ],
    ['bytes', { a: send({ b: new Uint8Array(2) }) }, 'is given what is no JSON'],
    [
      'a condition in another language',
      { a: send({}, { Custom: [{ condition: 'a > 1', to: 'a' }] }) },
      'has the route {"to":"a","condition":"a > 1"}, which this host does not know',
    ],
    [
      'a routing that nobody knows',
      { a: send({}, { Loop: { over: 'x' } }) },
      'has the routing Loop, which this host does not know',
    ],
    [
      'routes that are none',
      { a: send({}, { Custom: { a: 1 } }) },
      'has the route {"a":1}, which this host does not know',
    ],
    [
      'a way to no node',
      { a: send({}, { Custom: [{ to: 'b' }] }) },
      'leads to "b", which is no node of the flow',
    ],
  ];
  test.each(unread)('that holds %s is left out, by name', async (_, nodes, clause) => {
    const { flows, remarks } = await packOfFlows({ id: 'main', nodes }, { id: 'other', nodes: PATHS });
    expect(flows.map(({ path }) => path)).toEqual(['manifest.cbor, flow other']);
    expect(remarks).toContain(`The flow main is left out: Its node "a" ${clause}.`);
  });

  test('without nodes is left out', async () => {
    const { flows, remarks } = await packOfFlows({ id: 'a', nodes: {} }, { id: 'b', nodes: {} });
    expect([flows, remarks]).toEqual([[], ['Left out, since they hold no nodes: the flows a, b.']]);
  });

  test('whose nodes have ids that no id is here still leads where it led', async () => {
    const { calls, error } = await ran(
      {
        '1.first': send({}, { Next: { node_id: 'End' } }),
        End: send({ was: '{{node["1.first"].n}}' }, { Custom: [{ status: 'ok', to: 'end-2-route' }] }),
        'end-2-route': send({ end: true }, { Next: { node_id: 'END' } }),
        END: send({ end: '{{prev.n}}' }),
      },
      {},
      [{ n: 7 }, { status: 'ok' }, { n: 8 }],
    );
    expect([calls.map(([, input]) => input), error]).toEqual([
      [{}, { was: 7 }, { end: true }, { end: 8 }],
      undefined,
    ]);
  });

  test('of two that have one name, the second gets another', async () => {
    const { flows } = await packOfFlows(
      { id: 'set up', nodes: PATHS },
      { id: 'Set.Up', nodes: PATHS },
      { id: 'result', nodes: PATHS },
    );
    expect(flows.map(({ source }) => JSON.parse(source).triggers[0].event_type)).toEqual([
      'flow.field-shop.set-up',
      'flow.field-shop.set-up-2',
      'flow.field-shop.result-2',
    ]);
  });
});
