import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Flow } from '../../host/flow/flow.ts';
import { loadFlow } from '../../host/flow/load.ts';
import type { Job } from '../../host/sandbox/protocol.ts';
import { Quarantine, type Quarantined } from '../../host/sandbox/quarantine.ts';
import type { TenantCode } from '../../host/sandbox/sandbox.ts';
import { moduleText } from '../hostile/guest-text.ts';
import {
  alpha,
  assemblyScriptTenant,
  compileGuest,
  ingestJob,
  openSandbox,
  payloadsOf,
  type TestSandbox,
} from './cell.ts';

const MINUTE_MS = 60_000;
const OPTIONS = { strikes: 3, windowMs: MINUTE_MS, cooldownMs: MINUTE_MS, maxCooldownMs: 60 * MINUTE_MS };

let nowMs = 0;
const clock = (): number => nowMs;

describe('a quarantine', () => {
  const strikes = (quarantine: Quarantine, times: number): (Quarantined | undefined)[] =>
    Array.from({ length: times }, () => quarantine.strike(alpha, 'guest', 'It ran for ever.'));

  test('begins with the third strike within a minute, and is told once', () => {
    const quarantine = new Quarantine(OPTIONS, clock);
    expect(strikes(quarantine, 2)).toEqual([undefined, undefined]);
    nowMs += MINUTE_MS;
    expect(strikes(quarantine, 2)).toEqual([undefined, undefined]);
    expect(quarantine.heldOf(alpha)).toEqual(new Set());
    expect(strikes(quarantine, 2)).toEqual([
      { tenant: alpha, source: 'guest', remainingMs: MINUTE_MS, times: 1, detail: 'It ran for ever.' },
      undefined,
    ]);
    expect(quarantine.heldOf(alpha)).toEqual(new Set(['guest']));
  });

  test('lasts a minute, then twice as long each time, at most an hour, and is forgotten after a quiet hour', () => {
    const quarantine = new Quarantine(OPTIONS, clock);
    const times = Array.from({ length: 8 }, () => {
      const held = strikes(quarantine, 3).at(-1);
      nowMs += held?.remainingMs ?? 0;
      expect(quarantine.heldOf(alpha)).toEqual(new Set());
      return (held?.remainingMs ?? 0) / MINUTE_MS;
    });
    expect(times).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
    nowMs += 60 * MINUTE_MS;
    expect(strikes(quarantine, 3).at(-1)).toMatchObject({ remainingMs: MINUTE_MS, times: 1 });
  });

  test('is ended by the operator, and forgotten with it', () => {
    const quarantine = new Quarantine(OPTIONS, clock);
    quarantine.hold(alpha, 'guest', 'It does not start.');
    expect(quarantine.list()).toMatchObject([{ source: 'guest', detail: 'It does not start.' }]);
    expect(quarantine.release(alpha, 'guest')).toBe(true);
    expect(quarantine.release(alpha, 'guest')).toBe(false);
    expect(quarantine.list()).toEqual([]);
    expect(quarantine.hold(alpha, 'guest', '')).toMatchObject({ times: 1 });
  });

  test('remembers no more names than a tenant can have', () => {
    const quarantine = new Quarantine(OPTIONS, clock);
    for (let n = 0; n < 1000; n += 1) quarantine.hold(alpha, `guest-${n}`, '');
    expect(quarantine.list()).toHaveLength(256);
  });
});

let wasm: Uint8Array;
let flows: Flow[];
beforeAll(async () => {
  wasm = await compileGuest('misbehaving');
  flows = await Promise.all(
    ['endless', 'sound'].map((name) =>
      loadFlow({
        text: JSON.stringify({
          name,
          version: '1.0',
          nodes: [
            {
              id: 'only',
              type: 'script',
              config: { script: name === 'sound' ? '1 + 1' : SLOW },
            },
          ],
          triggers: [{ type: 'event', event_type: '>', target: 'only' }],
        }),
        file: `${name}.ygtc`,
        scripts: {},
      }),
    ),
  );
});

let opened: TestSandbox | undefined;
afterEach(async () => {
  await opened?.sandbox.stop();
  opened = undefined;
});

/** A tenant with the providers `guest` and `other` and two flows. */
function start(guest: Uint8Array = wasm): TestSandbox & { readonly held: Quarantined[] } {
  const code = assemblyScriptTenant(alpha, wasm);
  const [provider] = code.spec.providers;
  if (provider === undefined) throw new Error('A provider was expected.');
  const whole: TenantCode = {
    spec: {
      ...code.spec,
      providers: [
        { ...provider, plugin: { kind: 'assemblyscript', module: 'first' } },
        { ...provider, id: 'other' },
      ],
      program: { flows, scriptModule: 'script' },
      limits: { ...code.spec.limits, cpuSliceMs: 100 },
    },
    modules: new Map([...code.modules, ['first', guest]]),
  };
  const held: Quarantined[] = [];
  const test = openSandbox({ monotonicMs: clock, onQuarantined: (entry) => held.push(entry) });
  opened = test;
  test.sandbox.register(alpha, whole);
  return { ...test, held };
}

const toOther = (body: string): Job => ({ ...ingestJob(body), provider: 'other' }) as Job;
/** A built-in that is not interrupted: only the end of the cell stops it. */
const SLOW = '"a".repeat(2e6).indexOf("a".repeat(1e6) + "b")';
const HELD = { code: 'plugin_quarantined', retryable: true };

function runJob(...names: string[]): Job {
  const event = JSON.stringify({ id: 'e', event_type: 'a.b', source: 's', timestamp: 1, payload: null });
  const runs = names.map((flow) => ({
    runId: flow.padEnd(32, '0'),
    flow,
    trigger: 0,
    position: 1,
    journal: [],
  }));
  return { kind: 'run', event, attempt: 1, runs };
}

describe('a provider that costs its cell three times', () => {
  test('is refused at once, while the others of its tenant go on, until its cooldown is over', async () => {
    const { sandbox, held, losses } = start();
    for (let n = 0; n < 3; n += 1) {
      await expect(sandbox.submit(alpha, ingestJob('LOOP'))).rejects.toMatchObject({ code: 'guest_timeout' });
    }
    expect(held).toMatchObject([{ tenant: alpha, source: 'guest', times: 1 }]);
    expect(() => sandbox.submit(alpha, ingestJob('{}'))).toThrow(/quarantined for 60 s more/);
    expect(payloadsOf(await sandbox.submit(alpha, toOther('{}')))).toMatchObject([{ calls: 1 }]);
    expect(losses).toHaveLength(3);

    nowMs += MINUTE_MS;
    // The call before runs on in the cell that it is in; the next one opens a cell with both of them.
    const [before, after] = await Promise.all([
      sandbox.submit(alpha, toOther('{}')),
      sandbox.submit(alpha, ingestJob('{}')),
    ]);
    expect([...payloadsOf(before), ...payloadsOf(after)]).toMatchObject([{ calls: 1 }, { calls: 1 }]);
    expect(sandbox.counts().cells).toBe(1);
  });

  test('comes back when the operator releases it', async () => {
    const { sandbox } = start();
    sandbox.quarantine.hold(alpha, 'guest', '');
    expect(() => sandbox.submit(alpha, ingestJob('{}'))).toThrow(expect.objectContaining(HELD));
    sandbox.quarantine.release(alpha, 'guest');
    expect(payloadsOf(await sandbox.submit(alpha, ingestJob('{}')))).toMatchObject([{ calls: 1 }]);
  });
});

describe('a provider that never starts', () => {
  test('because it loops is held at once, and its tenant opens without it', async () => {
    const looping = await moduleText({ fields: '(func $start (loop (br 0))) (start $start)' });
    const { sandbox, held } = start(looping);
    const [guilty, other] = await Promise.allSettled([
      sandbox.submit(alpha, ingestJob('{}')),
      sandbox.submit(alpha, toOther('{}')),
    ]);
    expect(guilty).toMatchObject({ reason: { code: 'plugin_invalid' } });
    expect(other).toMatchObject({ reason: { code: 'cell_ended' } });
    expect(held).toMatchObject([{ source: 'guest' }]);
    expect(payloadsOf(await sandbox.submit(alpha, toOther('{}')))).toMatchObject([{ calls: 1 }]);
  });

  test.each([
    ['because it traps', () => moduleText({ fields: '(func $start unreachable) (start $start)' })],
    ['because it cannot be compiled', async () => new Uint8Array([0, 97, 115, 109, 9, 9, 9, 9])],
  ])('%s fails its own calls, and its tenant goes on', async (_, guest) => {
    const { sandbox, losses } = start(await guest());
    await expect(sandbox.submit(alpha, ingestJob('{}'))).rejects.toMatchObject({
      code: 'plugin_invalid',
      message: expect.stringMatching(/The provider guest cannot start/),
    });
    expect(payloadsOf(await sandbox.submit(alpha, toOther('{}')))).toMatchObject([{ calls: 1 }]);
    await expect(sandbox.prepare(alpha)).rejects.toMatchObject({ code: 'plugin_invalid' });
    expect(losses).toEqual([]);
  });
});

describe('a flow that costs its cell three times', () => {
  test('has its runs put off, while the other flows of the same event run', async () => {
    const { sandbox, held, losses } = start();
    for (let n = 0; n < 3; n += 1) {
      await expect(sandbox.submit(alpha, runJob('endless', 'sound'))).rejects.toMatchObject({
        code: 'guest_timeout',
      });
    }
    expect(losses.map(({ source }) => source)).toEqual(['flow:endless', 'flow:endless', 'flow:endless']);
    expect(held).toMatchObject([{ source: 'flow:endless' }]);
    expect(await sandbox.submit(alpha, runJob('endless', 'sound'))).toMatchObject({
      kind: 'runs',
      runs: [
        { flow: 'sound', status: 'ok', output: '2' },
        { flow: 'endless', status: 'error', error: HELD, journalJson: '[]' },
      ],
    });
    expect(await sandbox.submit(alpha, runJob('endless'))).toMatchObject({ runs: [{ error: HELD }] });
  });
});
