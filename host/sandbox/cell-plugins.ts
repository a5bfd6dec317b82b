import { errorMessage, GtpackError, type Problem } from '../errors.ts';
import { AssemblyScriptPlugin } from './assemblyscript-plugin.ts';
import type { CellThread } from './cell-runtime.ts';
import { PLUGIN_BINDING } from './component-binding.ts';
import { ComponentPlugin } from './component-plugin.ts';
import { InstancePool, type PoolHost } from './instance-pool.ts';
import { SchemaChecks } from './json-schema.ts';
import type { PluginModule } from './plugin.ts';
import type { CellStart, PluginSpec, ProviderSpec } from './protocol.ts';
import { OPENING_JOB } from './watch.ts';

/** The providers of a cell, each with its instances. One that cannot start fails its own calls and no others. */
export class CellPlugins {
  readonly #start: CellStart;
  readonly #thread: Pick<CellThread, 'bindComponent' | 'compileSchema'>;
  readonly #pools = new Map<string, InstancePool>();
  readonly #checks = new Map<string, SchemaChecks>();
  readonly #broken = new Map<string, GtpackError>();

  constructor(start: CellStart, thread: Pick<CellThread, 'bindComponent' | 'compileSchema'>) {
    this.#start = start;
    this.#thread = thread;
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
        this.#checkConfig(provider, host);
        const pool = new InstancePool(
          provider,
          await loadPlugin(provider.plugin, this.#start, this.#thread.bindComponent),
          host,
        );
        await prepare(provider.id, pool);
        this.#pools.set(provider.id, pool);
      } catch (error) {
        this.#broken.set(provider.id, startError(provider.id, error));
      }
    }
  }

  /** Compiles the provider's schemas, once a cell, and checks its config, as its own code under the watch. */
  #checkConfig({ id, schemas, config }: ProviderSpec, { watch }: PoolHost): void {
    const { compileSchema } = this.#thread;
    if (schemas === undefined || compileSchema === undefined) return;
    watch.guard({ job: OPENING_JOB, source: id }, () => {
      const checks = new SchemaChecks(id, schemas, compileSchema);
      checks.config(config);
      this.#checks.set(id, checks);
    });
  }

  /** Undefined for a provider without schemas. */
  checksOf(provider: string): SchemaChecks | undefined {
    return this.#checks.get(provider);
  }

  /** What each provider's instances hold, in bytes. */
  memories(): ReadonlyMap<string, number> {
    return new Map([...this.#pools].map(([provider, pool]) => [provider, pool.memoryBytes()]));
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

/** What is wrong with a schema or a config says so itself. */
function startError(provider: string, error: unknown): GtpackError {
  if (error instanceof GtpackError && isOwnFault(error)) return error;
  return new GtpackError('plugin_invalid', `The provider ${provider} cannot start: ${errorMessage(error)}`);
}

function isOwnFault({ code }: GtpackError): boolean {
  return code === 'config_invalid' || code === 'pack_schema_invalid';
}

async function loadPlugin(
  spec: PluginSpec,
  { modules, faults }: Pick<CellStart, 'modules' | 'faults'>,
  bindComponent: CellThread['bindComponent'],
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
        spec.binding === null ? PLUGIN_BINDING : bindComponent(spec.binding),
      );
    default:
      return spec satisfies never;
  }
}
