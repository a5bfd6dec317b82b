import { parentPort } from 'node:worker_threads';
import { ScriptEngine } from '../../../../host/flow/script/engine.ts';
import { loadScriptEngine } from '../../../../host/flow/script/quickjs.ts';

/** As a cell does: loads its code, gives up reading, and only then makes an engine. */
await loadScriptEngine();
process.permission.drop('fs.read');

parentPort?.once('message', async (wasmModule: WebAssembly.Module) => {
  const engine = await ScriptEngine.create({ wasmModule });
  const shouldStop = () => false;
  const run = (source: string): string => {
    const helpers = { 'scripts/h.js': 'export const twice = (n) => n * 2;' };
    const script = engine.compile({ file: 'flow.ygtc', line: 1, source, helpers, shouldStop });
    try {
      return script.run({ scope: { n: '21' }, now: 0, seed: 1, shouldStop, onConsole: () => undefined });
    } catch (error) {
      return (error as { code?: string }).code ?? String(error);
    }
  };
  parentPort?.postMessage({
    mayRead: process.permission.has('fs.read'),
    zone: new Date(2026, 6, 1).getTimezoneOffset(),
    value: run('twice(n)'),
    scriptZone: run('new Date(2026, 6, 1).getTimezoneOffset()'),
    bomb: run('const a = []; for (;;) a.push({})'),
    recursion: run('(function f() { f(); })()'),
    again: run('twice(n)'),
  });
});
