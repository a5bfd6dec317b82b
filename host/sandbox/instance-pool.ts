import { isWaitingImport, type PluginExport } from '../contract.ts';
import { errorMessage, GtpackError } from '../errors.ts';
import type { GuestCall } from './guest-call.ts';
import type { GuestImports, GuestReply, PluginInstance, PluginModule } from './plugin.ts';
import type { ProviderSpec } from './protocol.ts';
import type { TenantMemory } from './tenant-memory.ts';
import type { Watch } from './watch.ts';

export interface PoolHost {
  readonly watch: Watch;
  readonly memory: TenantMemory;
}

/** Which call an instance serves; its host functions count against that one. */
interface Occupant {
  call: GuestCall;
}

interface Lease {
  readonly instance: PluginInstance;
  readonly occupant: Occupant;
  /** As its code was last left: an instance grows in a stretch of its own code, which ends at a host call or at its end. */
  bytes: number;
}

/** An idle instance that grew past this share of its bound starts anew: some runtimes never give memory back. */
const RECYCLE_BYTES = 32 * 1024 * 1024;
/** What an instance that failed to start is taken to leave behind; its memories were never seen. */
const UNSEEN_BYTES = 64 * 1024 * 1024;
const UNSEEN_MEMORIES = 4;

/**
 * The instances of one provider. An instance serves one call at a time, suspended or not. It is used again after a reply,
 * also after the guest's own typed error, and dropped after anything else. Calls that no instance has room for wait.
 */
export class InstancePool {
  readonly #provider: ProviderSpec;
  readonly #module: PluginModule;
  readonly #host: PoolHost;
  readonly #idle: Lease[] = [];
  readonly #busy = new Set<Lease>();
  readonly #queue: (() => void)[] = [];
  readonly #waits: boolean;
  /** Of all leases: with a thousand of them a sum at every boundary would cost more than the calls. */
  #bytes = 0;

  constructor(provider: ProviderSpec, module: PluginModule, host: PoolHost) {
    this.#provider = provider;
    this.#waits = provider.imports.some(isWaitingImport);
    this.#module = module;
    this.#host = host;
    host.memory.add(this);
  }

  /**
   * @param call whose effects and log lines count against it
   * @throws GtpackError `guest_export_missing`, `guest_trap`, `guest_output_invalid`; or rejects with it, for a guest that
   *   may wait
   */
  call(
    call: GuestCall,
    name: PluginExport,
    input: string,
    operation?: string,
  ): GuestReply | Promise<GuestReply> {
    if (!this.#provider.exports.includes(name)) {
      throw new GtpackError('guest_export_missing', `The provider ${this.#provider.id} exports no ${name}.`);
    }
    const enter = () => this.#place(call, name, input, operation);
    return this.#waits ? call.inTurn(enter) : enter();
  }

  /** Makes the first instance, so that a plugin that cannot start is found when its cell opens. */
  prepare(call: GuestCall): void {
    this.#idle.push(this.#host.watch.guard(call.owner, () => this.#instantiate(call)));
  }

  /** Of all instances. */
  memoryBytes(): number {
    return this.#bytes;
  }

  /** Gives up the idle instances. @returns whether there were any */
  dropIdle(): boolean {
    const dropped = this.#idle.splice(0);
    for (const lease of dropped) this.#drop(lease);
    return dropped.length > 0;
  }

  /** A tenant always gets one instance of each provider; more of them as its memory allows. */
  #mayGrow(): boolean {
    return this.#busy.size === 0 || this.#host.memory.hasAnother(this.#instanceBytes());
  }

  /** What one more will take at least: as much as those that are there. */
  #instanceBytes(): number {
    return this.memoryBytes() / Math.max(1, this.#idle.length + this.#busy.size);
  }

  /** Serves the call, or lets it wait. A guest that may wait is placed in its turn: those before it have grown by then. */
  #place(
    call: GuestCall,
    name: PluginExport,
    input: string,
    operation: string | undefined,
  ): GuestReply | Promise<GuestReply> {
    if (this.#idle.length > 0 || this.#mayGrow()) return this.#serve(call, name, input, operation);
    // Whoever comes between an instance's release and this call's turn has it, and this call waits on.
    return new Promise<void>((resolve) => this.#queue.push(resolve)).then(() =>
      call.inTurn(() => this.#place(call, name, input, operation)),
    );
  }

  #serve(
    call: GuestCall,
    name: PluginExport,
    input: string,
    operation: string | undefined,
  ): GuestReply | Promise<GuestReply> {
    // A turn is a stretch already, and lasts until what the guest does after this has returned is done.
    const watched = <T>(stretch: () => T): T =>
      this.#waits ? stretch() : this.#host.watch.guard(call.owner, stretch);
    const lease = this.#idle.pop() ?? watched(() => this.#instantiate(call));
    lease.occupant.call = call;
    this.#busy.add(lease);
    let reply: GuestReply | Promise<GuestReply>;
    try {
      reply = watched(() => lease.instance.call(name, input, operation));
    } catch (error) {
      this.#release(lease, false);
      throw this.#coded(error);
    }
    if (reply instanceof Promise) return this.#whenDone(lease, reply);
    this.#release(lease, true);
    return reply;
  }

  async #whenDone(lease: Lease, pending: Promise<GuestReply>): Promise<GuestReply> {
    try {
      const reply = await pending;
      this.#release(lease, true);
      return reply;
    } catch (error) {
      this.#release(lease, false);
      throw this.#coded(error);
    }
  }

  #release(lease: Lease, healthy: boolean): void {
    this.#busy.delete(lease);
    this.#measure(lease);
    // Past the tenant's total a waiting call gets a fresh instance, which has not grown yet.
    if (healthy && lease.bytes <= RECYCLE_BYTES && this.#host.memory.hasRoomFor(0)) this.#idle.push(lease);
    else this.#drop(lease);
    this.#queue.shift()?.();
  }

  #instantiate(call: GuestCall): Lease {
    if (!this.#host.memory.hasFirst()) {
      throw new GtpackError('cell_busy', 'The cell host holds as many WebAssembly memories as it may.');
    }
    const occupant: Occupant = { call };
    let lease: Lease | undefined;
    const imports = this.#imports(occupant, () => {
      if (lease !== undefined) this.#measure(lease);
    });
    try {
      lease = { instance: this.#module.instantiate(imports), occupant, bytes: 0 };
      this.#host.memory.made(lease.instance.memoryCount());
      this.#measure(lease);
      return lease;
    } catch (error) {
      this.#host.memory.made(UNSEEN_MEMORIES);
      this.#host.memory.dropped(UNSEEN_BYTES, UNSEEN_MEMORIES);
      throw this.#coded(error);
    }
  }

  #measure(lease: Lease): void {
    const bytes = lease.instance.memoryBytes();
    this.#bytes += bytes - lease.bytes;
    lease.bytes = bytes;
  }

  #drop(lease: Lease): void {
    this.#bytes -= lease.bytes;
    this.#host.memory.dropped(lease.bytes, lease.instance.memoryCount());
  }

  /** Only what the provider was granted: no grant, no function linked. @param onAsk before the broker is asked */
  #imports(occupant: Occupant, onAsk: () => void): GuestImports {
    const { id, imports, config } = this.#provider;
    return {
      ...(imports.includes('config') ? { config: () => config } : {}),
      ...(imports.includes('log') ? { log: (level, message) => occupant.call.log(id, level, message) } : {}),
      waiting: imports.filter(isWaitingImport),
      ask: (capability, fn, args) => {
        onAsk();
        return occupant.call.ask(capability, fn, args);
      },
      refuse: (problem) => {
        onAsk();
        return occupant.call.refuse(problem);
      },
    };
  }

  #coded(error: unknown): GtpackError {
    if (error instanceof GtpackError) return error;
    const detail = errorMessage(error).slice(0, 500).replace(/\.$/, '');
    return new GtpackError('guest_trap', `The provider ${this.#provider.id} trapped: ${detail}.`, {
      cause: error,
    });
  }
}
