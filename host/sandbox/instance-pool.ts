import type { LogLevel, PluginExport } from '../contract.ts';
import { errorMessage, GtpackError } from '../errors.ts';
import type { GuestImports, GuestReply, PluginInstance, PluginModule } from './plugin.ts';
import type { CellLimits, ProviderSpec } from './protocol.ts';
import type { Watch } from './watch.ts';

export interface PoolHost {
  readonly watch: Watch;
  readonly limits: CellLimits;
  readonly log: (source: string, level: LogLevel, message: string) => void;
}

/** The call that an instance serves; its host functions count against it. */
interface Lease {
  readonly instance: PluginInstance;
  readonly call: { logLines: number };
}

/** An idle instance that grew past this share of its bound starts anew: some runtimes never give memory back. */
const RECYCLE_BYTES = 32 * 1024 * 1024;

/**
 * The instances of one provider. An instance serves one call at a time. It is used again after a reply, also after the
 * guest's own typed error, and dropped after anything else.
 */
export class InstancePool {
  readonly #provider: ProviderSpec;
  readonly #module: PluginModule;
  readonly #host: PoolHost;
  readonly #idle: Lease[] = [];

  constructor(provider: ProviderSpec, module: PluginModule, host: PoolHost) {
    this.#provider = provider;
    this.#module = module;
    this.#host = host;
  }

  /**
   * @param job whose call it is, for the watch
   * @throws GtpackError `guest_export_missing`, `guest_trap`, `guest_output_invalid`
   */
  call(job: number, name: PluginExport, input: string, operation?: string): GuestReply {
    if (!this.#provider.exports.includes(name)) {
      throw new GtpackError('guest_export_missing', `The provider ${this.#provider.id} exports no ${name}.`);
    }
    return this.#host.watch.guard(job, () => {
      try {
        const lease = this.#idle.pop() ?? this.#instantiate();
        lease.call.logLines = 0;
        const reply = lease.instance.call(name, input, operation);
        if (lease.instance.memoryBytes() <= RECYCLE_BYTES) this.#idle.push(lease);
        return reply;
      } catch (error) {
        throw error instanceof GtpackError ? error : this.#trap(error);
      }
    });
  }

  /** Gives up the idle instances. @returns whether there were any */
  dropIdle(): boolean {
    return this.#idle.splice(0).length > 0;
  }

  /** Makes the first instance, so that a plugin that cannot start is found when its cell opens. */
  prepare(job: number): void {
    this.#host.watch.guard(job, () => {
      try {
        this.#idle.push(this.#instantiate());
      } catch (error) {
        throw error instanceof GtpackError ? error : this.#trap(error);
      }
    });
  }

  /** Of all idle instances together; between calls, that is all instances. */
  memoryBytes(): number {
    return this.#idle.reduce((total, { instance }) => total + instance.memoryBytes(), 0);
  }

  #instantiate(): Lease {
    const call = { logLines: 0 };
    return { instance: this.#module.instantiate(this.#imports(call)), call };
  }

  /** Only what the provider was granted; see DESIGN section 6: no grant, no function linked. */
  #imports(call: { logLines: number }): GuestImports {
    const { imports, config } = this.#provider;
    return {
      ...(imports.includes('config') ? { config: () => config } : {}),
      ...(imports.includes('log') ? { log: (level, message) => this.#log(call, level, message) } : {}),
    };
  }

  #log(call: { logLines: number }, level: LogLevel, message: string): void {
    const { maxLogLinesPerCall, maxLogLineBytes } = this.#host.limits;
    call.logLines += 1;
    if (call.logLines > maxLogLinesPerCall) return;
    const last = call.logLines === maxLogLinesPerCall;
    const text = last ? `${maxLogLinesPerCall} lines in one call: further lines are dropped.` : message;
    this.#host.log(this.#provider.id, last ? 'warn' : level, text.slice(0, maxLogLineBytes).toWellFormed());
  }

  #trap(error: unknown): GtpackError {
    return new GtpackError(
      'guest_trap',
      `The provider ${this.#provider.id} trapped: ${errorMessage(error).slice(0, 500).replace(/\.$/, '')}.`,
      { cause: error },
    );
  }
}
