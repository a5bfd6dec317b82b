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

interface LogLine {
  readonly level: LogLevel;
  readonly message: string;
}

/**
 * The call that an instance serves, and what it logs. Lines are kept until the guest has been left: a guest may call in at
 * the very end of its thread's stack, and an overflow in the middle of sending would leave the sender's state half done.
 */
interface Lease {
  readonly instance: PluginInstance;
  readonly lines: LogLine[];
}

/** An idle instance that grew past this share of its bound starts anew: some runtimes never give memory back. */
const RECYCLE_BYTES = 32 * 1024 * 1024;
/** What an instance that failed to start is taken to leave behind; its memories were never seen. */
const UNSEEN_BYTES = 64 * 1024 * 1024;

/**
 * The instances of one provider. An instance serves one call at a time. It is used again after a reply, also after the
 * guest's own typed error, and dropped after anything else.
 */
export class InstancePool {
  readonly #provider: ProviderSpec;
  readonly #module: PluginModule;
  readonly #host: PoolHost;
  readonly #idle: Lease[] = [];
  #droppedBytes = 0;

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
    const lease = this.#idle.pop() ?? this.#instantiate(job);
    let reply: GuestReply;
    try {
      reply = this.#enter(job, lease.lines, () => lease.instance.call(name, input, operation));
    } catch (error) {
      this.#droppedBytes += lease.instance.memoryBytes();
      throw error;
    }
    const bytes = lease.instance.memoryBytes();
    if (bytes <= RECYCLE_BYTES) this.#idle.push(lease);
    else this.#droppedBytes += bytes;
    return reply;
  }

  /** Gives up the idle instances. @returns whether there were any */
  dropIdle(): boolean {
    this.#droppedBytes += this.memoryBytes();
    return this.#idle.splice(0).length > 0;
  }

  /** Makes the first instance, so that a plugin that cannot start is found when its cell opens. */
  prepare(job: number): void {
    this.#idle.push(this.#instantiate(job));
  }

  /** Of all idle instances together; between calls, that is all instances. */
  memoryBytes(): number {
    return this.#idle.reduce((total, { instance }) => total + instance.memoryBytes(), 0);
  }

  /** Of instances that were given up since the last `collected`: held until the garbage is collected. */
  get droppedBytes(): number {
    return this.#droppedBytes;
  }

  collected(): void {
    this.#droppedBytes = 0;
  }

  #instantiate(job: number): Lease {
    const lines: LogLine[] = [];
    try {
      return {
        instance: this.#enter(job, lines, () => this.#module.instantiate(this.#imports(lines))),
        lines,
      };
    } catch (error) {
      this.#droppedBytes += UNSEEN_BYTES;
      throw error;
    }
  }

  /** Runs guest code under the watch, and passes on what it logged. */
  #enter<T>(job: number, lines: LogLine[], work: () => T): T {
    try {
      return this.#host.watch.guard(job, work);
    } catch (error) {
      throw error instanceof GtpackError ? error : this.#trap(error);
    } finally {
      for (const { level, message } of lines.splice(0)) this.#host.log(this.#provider.id, level, message);
    }
  }

  /** Only what the provider was granted; see DESIGN section 6: no grant, no function linked. */
  #imports(lines: LogLine[]): GuestImports {
    const { imports, config } = this.#provider;
    return {
      ...(imports.includes('config') ? { config: () => config } : {}),
      ...(imports.includes('log') ? { log: (level, message) => this.#log(lines, level, message) } : {}),
    };
  }

  #log(lines: LogLine[], level: LogLevel, message: string): void {
    const { maxLogLinesPerCall, maxLogLineBytes } = this.#host.limits;
    const left = maxLogLinesPerCall - lines.length;
    if (left === 1) {
      lines.push({
        level: 'warn',
        message: `${maxLogLinesPerCall} lines in one call: further lines are dropped.`,
      });
    } else if (left > 1) {
      lines.push({ level, message: cutToBytes(message, maxLogLineBytes) });
    }
  }

  #trap(error: unknown): GtpackError {
    return new GtpackError(
      'guest_trap',
      `The provider ${this.#provider.id} trapped: ${errorMessage(error).slice(0, 500).replace(/\.$/, '')}.`,
      { cause: error },
    );
  }
}

/** Cut between characters, so that it is well-formed Unicode of at most `maxBytes` of UTF-8. */
function cutToBytes(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text.slice(0, maxBytes));
  if (bytes.length <= maxBytes) return bytes.toString();
  let end = maxBytes;
  // A byte of the form 10xxxxxx goes on with a character.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString('utf8', 0, end);
}
