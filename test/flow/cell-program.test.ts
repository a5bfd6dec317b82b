import { expect, test } from 'vitest';
import { flowProgram } from '../../host/flow/cell-program.ts';
import { loadScriptWasm } from '../../host/flow/script/script-wasm.ts';
import type { CellStart } from '../../host/sandbox/protocol.ts';
import { alpha, assemblyScriptTenant } from '../sandbox/cell.ts';

/** Tells when a module is taken out of it. */
class WatchedModules extends Map<string, WebAssembly.Module> {
  onGet: (digest: string) => void = () => undefined;

  override get(digest: string): WebAssembly.Module | undefined {
    this.onGet(digest);
    return super.get(digest);
  }
}

test('what woke a cell is answered before its script engine is made', async () => {
  const order: string[] = [];
  const script = new WebAssembly.Module((await loadScriptWasm()) as Uint8Array<ArrayBuffer>);
  const modules = new WatchedModules([['script', script]]);
  modules.onGet = () => order.push('engine');
  const { spec } = assemblyScriptTenant(alpha, new Uint8Array());
  // Nothing else of a cell's start is looked at.
  const start = { spec, modules } as Partial<CellStart> as CellStart;
  const opened = flowProgram({ now: () => 0, cpuMs: () => 0, after: () => () => undefined, random: () => 0 })(
    start,
    {
      guard: (_, stretch) => stretch(),
      log: () => undefined,
    },
  );
  // A cell's outbox sends in such a turn what its plugin answered.
  setImmediate(() => order.push('answer'));
  expect((await opened).problems).toEqual([]);
  expect(order).toEqual(['answer', 'engine']);
});
