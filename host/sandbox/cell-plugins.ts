import { errorMessage, GtpackError, type Problem } from '../errors.ts';
import { AssemblyScriptPlugin } from './assemblyscript-plugin.ts';
import { ComponentPlugin } from './component-plugin.ts';
import { InstancePool, type PoolHost } from './instance-pool.ts';
import type { PluginModule } from './plugin.ts';
import type { CellStart, PluginSpec } from './protocol.ts';

/** The providers of a cell, each with its instances. One that cannot start fails its own calls and no others. */
export class CellPlugins {
  readonly #start: CellStart;
  readonly #pools = new Map<string, InstancePool>();
  readonly #broken = new Map<string, GtpackError>();

  constructor(start: CellStart) {
    this.#start = start;
  }

  /** @param prepare makes a provider's first instance, in a call of its own */
  async open(
    host: PoolHost,
    prepare: (provider: string, pool: InstancePool) => Promise<void>,
  ): Promise<void> {
    const { providers, without = [] } = this.#start.spec;
    for (const provider of providers) {
      if (without.includes(provider.id)) continue;
      try {
        const pool = new InstancePool(provider, await loadPlugin(provider.plugin, this.#start), host);
        await prepare(provider.id, pool);
        this.#pools.set(provider.id, pool);
      } catch (error) {
        const message = `The provider ${provider.id} cannot start: ${errorMessage(error)}`;
        this.#broken.set(provider.id, new GtpackError('plugin_invalid', message));
      }
    }
  }

  problems(): readonly Problem[] {
    return [...this.#broken.values()].flatMap((error) => error.problems);
  }

  /** @throws GtpackError `plugin_invalid`, `plugin_quarantined`; `cell_lost` for one that the cell never had */
  poolOf(provider: string): InstancePool {
    const pool = this.#pools.get(provider);
    if (pool !== undefined) return pool;
    const broken = this.#broken.get(provider);
    if (broken !== undefined) throw broken;
    throw this.#start.spec.without?.includes(provider) === true
      ? new GtpackError('plugin_quarantined', `The provider ${provider} is quarantined.`)
      : new GtpackError('cell_lost', `The cell has no provider ${provider}.`);
  }
}

async function loadPlugin(
  spec: PluginSpec,
  { modules, faults }: Pick<CellStart, 'modules' | 'faults'>,
): Promise<PluginModule> {
  const moduleOf = (digest: string): WebAssembly.Module => {
    const module = modules.get(digest);
    if (module === undefined) {
      throw new GtpackError('plugin_invalid', faults.get(digest) ?? 'A module of it did not reach the cell.');
    }
    return module;
  };
  switch (spec.kind) {
    case 'assemblyscript':
      return new AssemblyScriptPlugin(moduleOf(spec.module));
    case 'component':
      return ComponentPlugin.load(
        spec.glue,
        new Map(Object.entries(spec.modules).map(([path, digest]) => [path, moduleOf(digest)])),
      );
    default:
      return spec satisfies never;
  }
}
