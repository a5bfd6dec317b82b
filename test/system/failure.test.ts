import { describe, expect, test } from 'vitest';
import { flowOf, scriptFlow, tenantsBundle, writeBundle } from './bundle.ts';
import { type HostHere, startHere } from './host-here.ts';
import { type Answer, post, postText, webhook } from './request.ts';

/** A script that asks nobody whether it should stop. */
const DEAF_LOOP = 'Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)';

/** Several, since one that takes its cell along three times within a minute is quarantined. */
const DEAF_FLOWS = ['deaf_a', 'deaf_b', 'deaf_c', 'deaf_d'];

/** One tenant that fails by the type of its event, and one that works. */
const failing = tenantsBundle({
  broken: {
    flows: {
      throws: scriptFlow('throws', 'throw new RangeError("no such order")', 'throws'),
      loops: scriptFlow('loops', 'while (true) {}', 'loops'),
      deaf: scriptFlow('deaf', DEAF_LOOP, 'deaf'),
      grows: scriptFlow('grows', 'const all = []; while (true) all.push(new Array(10000).fill(1))', 'grows'),
      recurses: scriptFlow('recurses', 'const again = () => again() + 1; again()', 'recurses'),
      divides: flowOf(
        'divides',
        [{ id: 'share', type: 'transform', config: { value: '{{ 1 / event.payload.people }}' } }],
        'divides',
      ),
      branches: flowOf(
        'branches',
        [
          {
            id: 'choose',
            type: 'branch',
            config: { conditions: [{ expression: 'event.payload.people < "many"', next: 'end' }] },
          },
        ],
        'branches',
      ),
      fine: scriptFlow('fine', '"fine"', 'fine'),
      ...Object.fromEntries(DEAF_FLOWS.map((name) => [name, scriptFlow(name, DEAF_LOOP, name)])),
    },
  },
  working: { flows: { count: scriptFlow('count', 'event.payload.n') } },
});

/** What happens to an event of the broken tenant: accepted, and buried for the reason. */
async function buried({ url, bus }: HostHere, type: string): Promise<string> {
  const answer = await post(webhook(url, 'broken', type), { people: 0 });
  expect(answer.status).toBe(202);
  const letter = await bus.deadLetter(answer.json.id);
  expect(letter).toMatchObject({ tenant: 'broken', type, kind: 'dead_letter' });
  expect(letter.json.event).toMatchObject({ id: answer.json.id, payload: { people: 0 } });
  const result = await bus.result(answer.json.id);
  expect(result.json).toMatchObject({ status: 'error', flow: type });
  expect(letter.json.reason).toContain(result.json.error.message);
  return letter.json.reason;
}

describe('an event whose flow fails', () => {
  test('was accepted, is in the dead letters with the reason, and the host goes on', async () => {
    const here = await startHere(await writeBundle(failing));
    // Of where the bundle lies on the machine, they say nothing.
    const reasons: Record<string, string> = {};
    for (const type of ['throws', 'loops', 'deaf', 'grows', 'recurses', 'divides', 'branches']) {
      reasons[type] = await buried(here, type);
    }
    expect(reasons).toMatchInlineSnapshot(`
      {
        "branches": "Flow branches: expression_failed: flows/broken/branches.ygtc:5: \`event.payload.people < "many"\`: no such overload: dyn<int> < string.",
        "deaf": "Flow deaf: guest_timeout: The call ran longer than 250 ms of CPU time without a pause.",
        "divides": "Flow divides: expression_failed: flows/broken/divides.ygtc:5: \`1 / event.payload.people\`: division by zero.",
        "grows": "Flow grows: script_out_of_memory: flows/broken/grows.ygtc:9:79: The script used up its memory. Build smaller values: work on one part at a time, and keep what you need of it.",
        "loops": "Flow loops: script_timeout: flows/broken/loops.ygtc:9: The script did not come to an end in its time. Look for a loop that does not end, or do less in one node.",
        "recurses": "Flow recurses: script_stack_overflow: flows/broken/recurses.ygtc:9:45: The script’s calls or its data nest too deep. Check where a function calls itself, or use a loop.",
        "throws": "Flow throws: script_threw: flows/broken/throws.ygtc:9:40: The script threw RangeError: no such order.",
      }
    `);
    const { id } = (await post(webhook(here.url, 'broken', 'fine'), {})).json;
    expect((await here.bus.result(id)).json).toMatchObject({ status: 'ok', output: 'fine' });
  });

  test('holds up no event of another tenant', async () => {
    const { url, bus } = await startHere(await writeBundle(failing));
    const broken = ['deaf', 'loops', 'throws', 'grows', 'deaf'].map((type) =>
      post(webhook(url, 'broken', type), {}),
    );
    const working: Answer[] = [];
    for (let n = 0; n < 100; n += 1)
      working.push(await post(webhook(url, 'working', 'order.created'), { n }));
    await bus.results(working.map(({ json }) => json.id));
    expect(
      bus
        .of('result', 'working')
        .map(({ json }) => json.output)
        .sort((a, b) => a - b),
    ).toEqual(working.map((_, n) => n));
    const letters = await Promise.all(
      (await Promise.all(broken))
        .filter(({ status }) => status === 202)
        .map(({ json }) => bus.deadLetter(json.id)),
    );
    expect(letters.map(({ tenant }) => tenant)).toEqual(letters.map(() => 'broken'));
  });

  test('costs no event of its own tenant, however often it takes the cell along', async () => {
    const { url, bus } = await startHere(await writeBundle(failing));
    // More often than an event has attempts.
    const types = Array.from({ length: 48 }, (_, n) =>
      n % 6 === 0 ? (DEAF_FLOWS[(n / 6) % DEAF_FLOWS.length] ?? '') : 'fine',
    );
    const answers = await Promise.all(types.map((type) => post(webhook(url, 'broken', type), {})));
    const accepted = answers.filter(({ status }) => status === 202).map(({ json }) => json.id as string);
    await bus.results(accepted);
    const outcomes = bus.of('result').map(({ type, json }) => `${type} ${json.error?.code ?? json.status}`);
    const timeouts = DEAF_FLOWS.map((name) => `${name} guest_timeout`);
    expect(new Set(outcomes)).toEqual(new Set(['fine ok', ...timeouts]));
    expect(outcomes).toHaveLength(accepted.length);
  });
});

describe('a provider that fails', () => {
  const misbehaving = tenantsBundle({
    broken: { flows: {}, packs: ['misbehaving'] },
    working: { flows: { count: scriptFlow('count', 'event.payload.n') } },
  });
  const send = (url: string, body: string): Promise<Answer> =>
    postText(webhook(url, 'broken', 'order.created'), body, { 'content-type': 'text/plain' });

  test('fails its request with a code, leaves no event, and serves the next one', async () => {
    const { url, bus } = await startHere(await writeBundle(misbehaving));
    const failures: Record<string, unknown> = {};
    for (const body of ['LOOP', 'LIE', 'GARBAGE', 'UNKNOWN_KEY', 'DEEP', 'MANY', 'PROBLEM', 'TRAP']) {
      const { status, json } = await send(url, body);
      failures[body] = [status, json];
    }
    expect(failures).toMatchInlineSnapshot(`
      {
        "DEEP": [
          502,
          {
            "code": "guest_output_invalid",
            "message": "The outcome nests objects and arrays more than 67 deep, which is the most that is allowed.",
          },
        ],
        "GARBAGE": [
          502,
          {
            "code": "guest_output_invalid",
            "message": "The plugin returned neither {"ok":…} nor {"err":{"code","message","retryable"}} with a code in snake_case of at most 64 characters.",
          },
        ],
        "LIE": [
          502,
          {
            "code": "guest_trap",
            "message": "The provider misbehaving trapped: The guest returned a string of 1073741824 bytes at 2608, past its memory's end.",
          },
        ],
        "LOOP": [
          504,
          {
            "code": "guest_timeout",
            "message": "The call ran longer than 250 ms of CPU time without a pause.",
          },
        ],
        "MANY": [
          502,
          {
            "code": "event_invalid",
            "message": "10001 event drafts came from one call; at most 1000 are allowed.",
          },
        ],
        "PROBLEM": [
          503,
          {
            "code": "not_today",
            "message": "No.",
          },
        ],
        "TRAP": [
          502,
          {
            "code": "guest_trap",
            "message": "The plugin aborted: boom (line 14).",
          },
        ],
        "UNKNOWN_KEY": [
          502,
          {
            "code": "guest_output_invalid",
            "message": "The outcome has the unknown key "evnts". Known: events, response.",
          },
        ],
      }
    `);
    expect(bus.seen).toEqual([]);
    const answer = await send(url, 'be good');
    expect(answer.status).toBe(202);
    const event = await bus.until((seen) => seen.find(({ json }) => json.id === answer.json.id));
    // A new instance: what trapped is not used again.
    expect(event.json.payload.calls).toBe(1);
  });

  test('holds up no event of another tenant', async () => {
    const { url, bus } = await startHere(await writeBundle(misbehaving));
    const broken = ['LOOP', 'TRAP', 'LOOP', 'LIE'].map((body) => send(url, body));
    const ids: string[] = [];
    for (let n = 0; n < 50; n += 1) {
      const answer = await post(webhook(url, 'working', 'order.created'), { n });
      expect(answer.status).toBe(202);
      ids.push(answer.json.id);
    }
    await bus.results(ids);
    expect((await Promise.all(broken)).map(({ status }) => status)).not.toContain(202);
  });
});
