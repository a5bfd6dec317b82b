import { beforeAll, describe, expect, test } from 'vitest';
import { Arena, type Outcome } from './arena.ts';
import { componentText, INFO, LOG, moduleText, parrot, STRIKE } from './guest-text.ts';

const arena = new Arena();
let wasm: Uint8Array;
beforeAll(async () => {
  wasm = await parrot();
  await arena.open();
});

/** What becomes of a reply, whatever it is. */
function say(reply: string): Promise<Outcome> {
  return arena.attack({ wasm, config: reply, limits: { cpuSliceMs: 1000 } });
}

function outcomeOf(events: string): Promise<Outcome> {
  return say(`{"ok":{"events":${events}}}`);
}

async function eventOf(draft: string): Promise<Record<string, unknown>> {
  const outcome = await outcomeOf(`[${draft}]`);
  if (outcome.kind !== 'events') throw new Error(JSON.stringify(outcome));
  return JSON.parse(outcome.events[0]?.json ?? '');
}

const INVALID_OUTPUT = { kind: 'thrown', code: 'guest_output_invalid' };
const INVALID_EVENT = { kind: 'thrown', code: 'event_invalid' };

describe('a reply is bounded before it is parsed', () => {
  test.each([
    ['arrays in arrays without end', `{"ok":${'['.repeat(1_000_000)}`, /nests|is not JSON|neither/],
    ['ten thousand levels', `{"ok":${'['.repeat(10_000)}${']'.repeat(10_000)}}`, /nests/],
    ['an outcome that is a list', '{"ok":[]}', /no JSON object/],
    ['an envelope in an envelope', '{"ok":1},"events":{}}', /not JSON/],
    ['nothing', '', /neither/],
    [
      'a problem of megabytes',
      `{"err":{"code":"a","message":"${'x'.repeat(2_000_000)}","retryable":false}}`,
      /neither/,
    ],
    [
      'a problem whose code is a key of every object',
      '{"err":{"__proto__":{"code":"a","message":"b"}}}',
      /neither/,
    ],
  ])('%s', async (_, reply, message) => {
    expect(await say(reply)).toMatchObject({ ...INVALID_OUTPUT, message: expect.stringMatching(message) });
  });

  test('megabytes of empty objects', async () => {
    // The code is the sender's: a provider passes on the body that it gets.
    expect(await say(`{"ok":[${'{},'.repeat(2_500_000)}{}]}`)).toMatchObject({
      code: 'json_too_many_elements',
    });
  });

  test('also what an operation returns, which others set into JSON of theirs', async () => {
    for (const text of [
      '1},"x":{"y":2',
      '{',
      `[${'{},'.repeat(200_000)}{}]`,
      '['.repeat(100) + ']'.repeat(100),
    ]) {
      const outcome = await arena.attack(
        { wasm, exports: ['ingest', 'invoke'], config: `{"ok":${text}}` },
        { job: { kind: 'invoke', provider: 'guest', operation: 'x', input: JSON.stringify(STRIKE) } },
      );
      expect(outcome).toMatchObject(INVALID_OUTPUT);
    }
  });

  test('also what a component returns', async () => {
    const text = `{"events":[${'{},'.repeat(200_000)}{}]}`;
    const guest = await componentText({ memory: '20', text });
    expect(await arena.attack({ wasm: guest })).toMatchObject({ code: 'json_too_many_elements' });
  });
});

describe('drafts are bounded and typed', () => {
  test.each([
    ['ten thousand of them', `[${'{"payload":1},'.repeat(9_999)}{"payload":1}]`],
    ['no list', '{"length":1,"0":{"payload":1}}'],
    ['no objects', '[1]'],
    ['no payload', '[{}]'],
    ['a source of their own', '[{"payload":1,"source":"flow:other"}]'],
    ['a tenant of their own', '[{"payload":1,"tenant":"bystander"}]'],
    ['a key named __proto__', '[{"payload":1,"__proto__":{"source":"flow:other"}}]'],
    ['an id with a line break', '[{"payload":1,"id":"a\\nb"}]'],
    ['an id of a thousand characters', `[{"payload":1,"id":"${'x'.repeat(1000)}"}]`],
    ['an id that is an object', '[{"payload":1,"id":{"toString":"x"}}]'],
    ['an instant after the year 9999', '[{"payload":1,"timestamp":1e300}]'],
    ['an instant before 1970', '[{"payload":1,"timestamp":-1}]'],
    ['an instant that is a text', '[{"payload":1,"timestamp":"now"}]'],
    ['an idempotency key of 10 KB', `[{"payload":1,"idempotency_key":"${'k'.repeat(10_000)}"}]`],
    ['metadata that is a list', '[{"payload":1,"metadata":[1]}]'],
  ])('%s', async (_, events) => {
    expect(await outcomeOf(events)).toMatchObject(INVALID_EVENT);
  });

  test('an event larger than an event may be', async () => {
    expect(await outcomeOf(`[{"payload":"${'x'.repeat(300_000)}"}]`)).toMatchObject({
      code: 'json_too_large',
    });
  });

  test('an event deeper than an event may be', async () => {
    const deep = `${'['.repeat(64)}${']'.repeat(64)}`;
    expect(await outcomeOf(`[{"payload":${deep}}]`)).toMatchObject({ code: 'json_too_deep' });
  });

  test.each([
    '>',
    '*',
    'order.*',
    'order.>',
    'order.result',
    'result',
    'bystander.order',
    '.order',
    'order..created',
    'order.created ',
    'order\\u0000',
    'ORDER',
    '$JS.API.STREAM.PURGE.events',
    'a.b.c.d.e.f.g.h.i',
    '../../etc/passwd',
    'x'.repeat(10_240),
  ])('the event type %j reaches no subject', async (type) => {
    const outcome = await outcomeOf(`[{"payload":1,"event_type":"${type}"}]`);
    // A tenant's name is a token as any other: it stands after the guest's own tenant, never instead of it.
    if (type === 'bystander.order') expect(outcome).toMatchObject({ kind: 'events' });
    else expect(outcome).toMatchObject(INVALID_EVENT);
  });

  test('one bad draft among good ones stores none of them', async () => {
    expect(await outcomeOf('[{"payload":1},{"payload":2,"event_type":">"}]')).toMatchObject(INVALID_EVENT);
  });
});

describe('what a draft says of the host’s own keys is not heard', () => {
  test('hops, trace, correlation, cause, request and schedule', async () => {
    const owned = {
      hops: -100,
      trace_id: 'forged',
      correlation_id: 'forged',
      causation_id: 'forged',
      idempotency_key: 'forged',
      http: { headers: { 'x-forged': '1' } },
      schedule: 'forged',
      mine: 'kept',
    };
    const { metadata } = await eventOf(JSON.stringify({ payload: 1, metadata: owned }));
    expect(metadata).toMatchObject({ hops: 0, mine: 'kept', http: { method: 'POST' } });
    expect(JSON.stringify(metadata)).not.toContain('forged');
  });

  test('a key that is given twice counts as its last', async () => {
    const { metadata, payload } = await eventOf(
      '{"payload":1,"payload":2,"metadata":{"hops":9},"metadata":{"hops":-9}}',
    );
    expect({ metadata, payload }).toMatchObject({ metadata: { hops: 0 }, payload: 2 });
  });

  test('keys named __proto__ stay keys, in payload and metadata', async () => {
    const event = await eventOf(
      '{"payload":{"__proto__":{"a":1}},"metadata":{"__proto__":{"hops":99},"b":2}}',
    );
    expect(JSON.stringify(event.payload)).toBe('{"__proto__":{"a":1}}');
    expect(event.metadata).toMatchObject({ hops: 0, b: 2 });
    expect(Object.hasOwn(event.metadata as object, '__proto__')).toBe(true);
  });

  test('lone surrogates are written as escapes', async () => {
    const outcome = await outcomeOf('[{"payload":{"\ud800":"\udfff"}}]');
    if (outcome.kind !== 'events') throw new Error(JSON.stringify(outcome));
    const json = outcome.events[0]?.json ?? '';
    expect(json.isWellFormed()).toBe(true);
    expect(json).toContain('{"\\ud800":"\\udfff"}');
  });

  test('numbers past all bounds are null or what a double holds', async () => {
    const { payload } = await eventOf('{"payload":[1e999,-1e999,9007199254740993,1e-999,-0]}');
    expect(JSON.stringify(payload)).toBe('[null,null,9007199254740992,0,0]');
  });
});

describe('an answer to the sender is bounded and typed', () => {
  test.each([
    ['a status of 99', '{"status":99}'],
    ['a status of 1e9', '{"status":1000000000}'],
    ['a status that is a text', '{"status":"200"}'],
    ['headers that are no texts', '{"status":200,"headers":{"a":{}}}'],
    [
      'a thousand headers',
      `{"status":200,"headers":{${Array.from({ length: 1000 }, (_, n) => `"h${n}":""`).join()}}}`,
    ],
    ['a body that is no text', '{"status":200,"body":[]}'],
    ['a text for an answer', '"200"'],
    ['a number for an answer', '200'],
  ])('%s', async (_, response) => {
    expect(await say(`{"ok":{"events":[],"response":${response}}}`)).toMatchObject(INVALID_OUTPUT);
  });
});

describe('a log is bounded', () => {
  async function logged(message: string, times: number): Promise<string[]> {
    arena.logs.length = 0;
    const bytes = Buffer.from(message, 'utf16le');
    const text = [...bytes].map((byte) => `\\${byte.toString(16).padStart(2, '0')}`).join('');
    const length = [...Uint8Array.from(new Uint8Array(Uint32Array.of(bytes.length).buffer))]
      .map((byte) => `\\${byte.toString(16).padStart(2, '0')}`)
      .join('');
    const guest = await moduleText({
      imports: LOG,
      fields: `(data (i32.const 8188) "${length}") (data (i32.const 8192) "${text}")
        (func $flood (local $left i32) (local.set $left (i32.const ${times}))
          (loop (call $log ${INFO} (i32.const 8192))
            (br_if 0 (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))`,
      strike: '(call $flood)',
    });
    const outcome = await arena.attack({ wasm: guest, limits: { cpuSliceMs: 2000 } });
    expect(outcome).toMatchObject({ kind: 'events' });
    return arena.logs.map((log) => log.message);
  }

  test('to a hundred lines a call, and says so', async () => {
    const lines = await logged('flood', 10_000);
    expect(lines).toHaveLength(100);
    expect(lines.at(-1)).toMatch(/further lines are dropped/);
  });

  test('to 8 KiB a line, cut between characters', async () => {
    const [line = ''] = await logged('€'.repeat(20_000), 1);
    expect(Buffer.byteLength(line)).toBe(8190);
    expect(line).toBe('€'.repeat(2730));
  });

  test('to its slice, where each line is ten megabytes', async () => {
    const guest = await moduleText({
      imports: LOG,
      memory: '400',
      fields: '(data (i32.const 8188) "\\00\\00\\a0\\00")',
      strike: `(loop (call $log ${INFO} (i32.const 8192)) (br 0))`,
    });
    expect(await arena.attack({ wasm: guest })).toMatchObject({ kind: 'thrown', code: 'guest_timeout' });
  });

  test('to what is well-formed, however it was written', async () => {
    const [line = ''] = await logged('a\ud800\u001b[2J\r\n{"level":"error"}', 1);
    expect(line.isWellFormed()).toBe(true);
    // What it is printed with escapes the rest; it stays one entry, under the provider's name.
    expect(arena.logs).toMatchObject([{ source: 'guest', level: 'info' }]);
  });

  test('to the levels that there are', async () => {
    arena.logs.length = 0;
    const guest = await moduleText({ imports: LOG, strike: '(call $log (i32.const 1024) (i32.const 1024))' });
    await arena.attack({ wasm: guest });
    expect(arena.logs).toMatchObject([{ level: 'info' }]);
  });
});

test('what was ended leaves no thread behind', () => arena.threadsAreGone());
