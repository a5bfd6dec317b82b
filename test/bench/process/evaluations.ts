import variant from '@jitl/quickjs-wasmfile-release-sync';
import { parse } from '@marcbachmann/cel-js';
import { newQuickJSWASMModuleFromVariant, type QuickJSSyncVariant } from 'quickjs-emscripten-core';
import { ExpressionCompiler, isExpression } from '../../../host/flow/expression.ts';
import { RunEvent, RunScope } from '../../../host/flow/scope.ts';
import { ScriptEngine } from '../../../host/flow/script/engine.ts';
import { loadScriptWasm } from '../../../host/flow/script/script-wasm.ts';
import { answerCalls } from '../child.ts';
import { orderBody } from '../payload.ts';

/** `script`, `expression`: as a flow runs them. `quickjs`, `cel`: the same with the bare library. */
export type Evaluation = 'script' | 'quickjs' | 'expression' | 'cel';

const HELPER = `function process_payload(payload) {
  const order = payload?.order ?? {};
  return { order_id: order.id ?? null, total: order.total ?? null, fields: Object.keys(payload ?? {}) };
}`;
const SCRIPT = 'let payload = event.payload;\nprocess_payload(payload)';
const EXPRESSION = "event.event_type == 'order.created' && event.payload.order.total > 50.0";

const EVENT = JSON.stringify({
  id: '01990000-0000-7000-8000-000000000000',
  event_type: 'order.created',
  source: 'events-webhook',
  timestamp: 1_790_000_000_000,
  payload: JSON.parse(orderBody()) as unknown,
  metadata: { trace_id: '0'.repeat(32), correlation_id: '01990000-0000-7000-8000-000000000000', hops: 0 },
});

let once: (() => void) | undefined;

const handlers = {
  async start(evaluation: Evaluation): Promise<void> {
    once = await prepare(evaluation);
    once();
  },

  /** @returns microseconds an evaluation */
  measure(seconds: number): number {
    if (once === undefined) throw new Error('not started');
    const startedAt = performance.now();
    const end = startedAt + seconds * 1000;
    let evaluations = 0;
    let now = startedAt;
    while (now < end) {
      for (let i = 0; i < 16; i += 1) once();
      evaluations += 16;
      now = performance.now();
    }
    return ((now - startedAt) * 1000) / evaluations;
  },
};

function prepare(evaluation: Evaluation): Promise<() => void> | (() => void) {
  switch (evaluation) {
    case 'script':
      return hostScript();
    case 'quickjs':
      return bareScript();
    case 'expression':
      return hostExpression();
    case 'cel':
      return bareExpression();
    default:
      return evaluation satisfies never;
  }
}

async function hostScript(): Promise<() => void> {
  const wasmModule = new WebAssembly.Module((await loadScriptWasm()) as Uint8Array<ArrayBuffer>);
  const engine = await ScriptEngine.create({ wasmModule });
  const script = engine.compile({
    file: 'flow.ygtc',
    line: 1,
    source: SCRIPT,
    helpers: { 'process_payload.js': `export ${HELPER}` },
    shouldStop: () => false,
  });
  const scope = { event: EVENT, headers: '{}', input: 'null', steps: '{}' };
  return () => {
    const json = script.run({ scope, now: 0, seed: 1, shouldStop: () => false, onConsole: () => undefined });
    if (!json.startsWith('{"order_id":42')) throw new Error(json);
  };
}

/** A runtime and context a run, as isolation asks; no memory cap, no deadline, no frozen inputs. */
async function bareScript(): Promise<() => void> {
  // The package declares the types of its CommonJS file for both; what `import` gives is the variant itself.
  const library = await newQuickJSWASMModuleFromVariant(variant as unknown as QuickJSSyncVariant);
  return () => {
    const context = library.newContext();
    try {
      const event = context.newString(EVENT);
      context.setProp(context.global, 'json', event);
      event.dispose();
      context.unwrapResult(context.evalCode(`${HELPER}\nvar event = JSON.parse(json);`)).dispose();
      const value = context.unwrapResult(context.evalCode(SCRIPT));
      context.setProp(context.global, 'value', value);
      value.dispose();
      const text = context.unwrapResult(context.evalCode('JSON.stringify(value)'));
      const json = context.getString(text);
      text.dispose();
      if (!json.startsWith('{"order_id":42')) throw new Error(json);
    } finally {
      context.dispose();
    }
  };
}

function hostExpression(): () => void {
  const expression = new ExpressionCompiler({ nodes: [], outputs: [] }).compile(EXPRESSION, 'condition');
  if (!isExpression(expression)) throw new Error(expression.message);
  const scope = new RunScope(new RunEvent(EVENT));
  return () => {
    if (!expression.test(scope.cel)) throw new Error('false');
  };
}

function bareExpression(): () => void {
  const expression = parse(EXPRESSION);
  const scope = { event: JSON.parse(EVENT) as unknown };
  return () => {
    if (expression(scope) !== true) throw new Error('false');
  };
}

export type EvaluationsProcess = typeof handlers;

answerCalls(handlers, () => undefined);
