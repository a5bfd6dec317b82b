import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FlowProgram } from '../../host/flow/executor.ts';
import type { Flow } from '../../host/flow/flow.ts';
import type { FlowHost } from '../../host/flow/flow-host.ts';
import { loadFlow } from '../../host/flow/load.ts';
import { RunEvent } from '../../host/flow/scope.ts';
import { ScriptEngine } from '../../host/flow/script/engine.ts';
import { loadScriptWasm } from '../../host/flow/script/script-wasm.ts';
import { DEFAULT_LIMITS } from '../../host/limits.ts';
import type { RunOutcome } from '../../host/sandbox/protocol.ts';

let engine: ScriptEngine;
beforeAll(async () => {
  engine = await ScriptEngine.create({
    wasmModule: new WebAssembly.Module((await loadScriptWasm()) as Uint8Array<ArrayBuffer>),
  });
});
afterAll(() => engine.dispose());

const logged: string[] = [];
let cpu = 0;
let cpuStepMs = 0;
const host: FlowHost = {
  effect: () => Promise.reject(new Error('No effect was expected.')),
  call: () => Promise.reject(new Error('No call was expected.')),
  record: () => Promise.reject(new Error('No record was expected.')),
  respond: () => undefined,
  log: ({ source, level, message, place }) => {
    logged.push(`${source} ${level} ${message} ${JSON.stringify(place)}`);
  },
  cpuMs: () => {
    cpu += cpuStepMs;
    return cpu;
  },
  now: () => 0,
  after: () => () => undefined,
  random: () => 0,
  guard: (_, fn) => fn(),
};

const EVENT = JSON.stringify({
  id: 'e1',
  event_type: 'order.created',
  source: 'events-webhook',
  timestamp: 1_700_000_000_000,
  payload: { order: { id: 42, total: 99.5 } },
});

function run(flow: Flow): Promise<RunOutcome> {
  const program = new FlowProgram([flow], { limits: DEFAULT_LIMITS, scripts: engine, host });
  const order = { runId: 'f'.repeat(32), flow: flow.name, trigger: 0, position: 1, journal: [] };
  return program.run(order, new RunEvent(EVENT), host);
}

async function scriptFlow(script: string, scripts: Record<string, string> = {}): Promise<Flow> {
  const text = `name: scripted\nversion: "1"\nnodes:\n  - id: a\n    type: script\n    config:\n      script: |\n${script.replace(/^/gm, '        ')}\ntriggers:\n  - { type: event, event_type: ">", target: a }\n`;
  return loadFlow({ text, file: 'scripted.ygtc', scripts });
}

test('the flow that the documentation prints runs, with its helper from scripts/', async () => {
  const text = readFileSync(new URL('../golden/flow/documented.ygtc', import.meta.url), 'utf8');
  const flow = await loadFlow({
    text,
    file: 'on_event.ygtc',
    scripts: {
      'orders.js':
        'export function process_payload(p) { return { id: p.order.id, doubled: p.order.total * 2 }; }',
    },
  });
  const outcome = await run(flow);
  expect(outcome.error).toBeUndefined();
  expect(JSON.parse(outcome.output ?? '')).toEqual({ id: 42, doubled: 199 });
});

describe("a script's failure names the line of the flow's file", () => {
  test('when it throws', async () => {
    const outcome = await run(await scriptFlow('let a = 1;\nthrow new Error("no stock");'));
    expect(outcome.error).toMatchObject({ code: 'script_threw', node: 'a', retryable: false });
    expect(outcome.error?.message).toMatch(/^scripted\.ygtc:9:\d+: .*no stock/);
  });

  test('when it does not parse', async () => {
    const outcome = await run(await scriptFlow('let a = 1;\nlet b = (;'));
    expect(outcome.error?.code).toBe('script_syntax');
    expect(outcome.error?.message).toMatch(/^scripted\.ygtc:9:/);
  });
});

test('a script that does not end is stopped, and the next run works', async () => {
  cpuStepMs = 50;
  const outcome = await run(await scriptFlow('for (;;) {}'));
  cpuStepMs = 0;
  expect(outcome.error?.code).toBe('script_timeout');
  expect((await run(await scriptFlow('1 + 1'))).output).toBe('2');
});

test('what it writes to the console goes to the log of its flow', async () => {
  await run(await scriptFlow('console.log("total", event.payload.order.total)'));
  expect(logged.at(-1)).toMatch(/^flow:scripted info total 99.5 \{"run":"[^"]+","node":"[^"]+"\}$/);
});
