import { transpileBytes } from '@bytecodealliance/jco-transpile';
import type { PluginExport } from '../../host/contract.ts';
import type { HostFunctions } from './guest.ts';

interface Glue {
  instantiate(
    getCoreModule: (path: string) => WebAssembly.Module,
    imports: Record<string, unknown>,
    instantiateCore: (module: WebAssembly.Module, imports: WebAssembly.Imports) => WebAssembly.Instance,
  ): Record<string, Record<string, (...texts: readonly string[]) => string>>;
}

/** A component under its public contract, without a host. It is given `config`, `log` and what the test gives it. */
export interface Component {
  readonly logged: string[];
  /** The answer in the form of AssemblyScript's envelope. Throws what is no typed problem. */
  call(name: PluginExport, ...texts: readonly string[]): unknown;
  memoryBytes(): number;
}

export async function componentFactory(
  wasm: Uint8Array,
  config: string,
  host: HostFunctions = {},
): Promise<(ownConfig?: string, ownHost?: HostFunctions) => Component> {
  const { files } = await transpileBytes(wasm, {
    name: 'guest',
    instantiation: 'sync',
    wasiShim: false,
    emitTypescriptDeclarations: false,
    base64Cutoff: 0,
  });
  const modules = new Map<string, WebAssembly.Module>();
  for (const [path, bytes] of Object.entries(files)) {
    if (path.endsWith('.wasm')) modules.set(path, new WebAssembly.Module(new Uint8Array(bytes)));
  }
  const text = Buffer.from(files['guest.js'] ?? '').toString('base64');
  const glue = (await import(/* @vite-ignore */ `data:text/javascript;base64,${text}`)) as Glue;
  return (ownConfig = config, ownHost = host) => instantiate(glue, modules, ownConfig, ownHost);
}

function instantiate(
  glue: Glue,
  modules: ReadonlyMap<string, WebAssembly.Module>,
  config: string,
  host: HostFunctions,
): Component {
  const logged: string[] = [];
  const memories = new Set<WebAssembly.Memory>();
  const exports = glue.instantiate(
    (path) => {
      const module = modules.get(path);
      if (module === undefined) throw new Error(`There is no core module ${path}.`);
      return module;
    },
    // The glue asks for imports without their version.
    {
      'gtpack:plugin/types': {},
      ...Object.fromEntries(
        Object.entries(host).map(([name, functions]) => [`gtpack:plugin/${name}`, functions]),
      ),
      'gtpack:plugin/config': { get: () => config },
      'gtpack:plugin/log': {
        write: (level: string, message: string) => void logged.push(`${level}: ${message}`),
      },
    },
    (module, imports) => {
      const instance = new WebAssembly.Instance(module, imports);
      for (const value of Object.values(instance.exports)) {
        if (value instanceof WebAssembly.Memory) memories.add(value);
      }
      return instance;
    },
  );
  return {
    logged,
    call: (name, ...texts) => {
      try {
        const reply = exports[`gtpack:plugin/${name}@0.1.0`]?.[name]?.(...texts);
        return { ok: JSON.parse(reply ?? '') };
      } catch (thrown) {
        // The glue throws the error side of a result as the bare record, and a trap as an Error.
        if (thrown instanceof Error) throw thrown;
        return { err: thrown };
      }
    },
    memoryBytes: () => [...memories].reduce((total, { buffer }) => total + buffer.byteLength, 0),
  };
}
