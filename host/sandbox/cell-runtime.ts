import { errorMessage, GtpackError, type Problem } from '../errors.ts';
import { type EventIds, eventIds } from '../event/normalize.ts';
import { AssemblyScriptPlugin } from './assemblyscript-plugin.ts';
import { ComponentPlugin } from './component-plugin.ts';
import { ingestContext, readOutcome, readOutput, requestText, tickContext, tickText } from './ingest.ts';
import { InstancePool } from './instance-pool.ts';
import { Outbox } from './outbox.ts';
import type { GuestReply, PluginModule } from './plugin.ts';
import type {
  CellMessage,
  CellReport,
  CellStart,
  Effect,
  EffectAnswer,
  HttpAnswer,
  Job,
  JobResult,
  PluginSpec,
  RunOrder,
  RunOutcome,
} from './protocol.ts';
import { OPENING_JOB, Watch } from './watch.ts';

/** Runs flows. The sandbox knows no more of them than this. */
export interface CellProgram {
  /** What keeps some of its flows from running. */
  readonly problems: readonly Problem[];
  run(event: string, orders: readonly RunOrder[], host: ProgramHost): Promise<RunOutcome[]>;
}

/** What a run may reach while it works for one job. */
export interface ProgramHost {
  /** Runs one uninterrupted stretch of a tenant's code under the watch. */
  guard<T>(stretch: () => T): T;
  effect(effect: Effect): Promise<EffectAnswer>;
  respond(eventId: string, answer: HttpAnswer): void;
  log(source: string, level: LogLevelOf, message: string): void;
}

type LogLevelOf = Extract<CellReport, { kind: 'log' }>['level'];

export type OpenProgram = (
  start: CellStart,
  host: Pick<ProgramHost, 'guard' | 'log'>,
) => Promise<CellProgram>;

/** What a cell needs of the thread that it lives in. */
export interface CellThread {
  readonly send: (batch: CellReport[]) => void;
  readonly openProgram: OpenProgram;
  /** Collects the thread's garbage at once. */
  readonly collectGarbage: () => void;
}

/** A tenant's cell: its plugins and its flows in one thread, and the batches that come and go. */
export class CellRuntime {
  readonly #start: CellStart;
  readonly #thread: CellThread;
  readonly #watch: Watch;
  readonly #outbox: Outbox<CellReport>;
  readonly #ids: EventIds = eventIds();
  readonly #pools = new Map<string, InstancePool>();
  readonly #calls = new Map<number, (answer: EffectAnswer) => void>();
  readonly #program: Promise<CellProgram>;
  #nextCall = 0;

  constructor(start: CellStart, thread: CellThread) {
    this.#start = start;
    this.#thread = thread;
    this.#watch = new Watch(start.watch);
    this.#outbox = new Outbox(thread.send);
    this.#program = this.#open();
  }

  /** Resolves when every plugin and flow is ready. @throws what kept a plugin from starting; the cell must end then */
  async opened(): Promise<void> {
    const { problems } = await this.#program;
    this.#outbox.push({ kind: 'opened', problems });
  }

  receive(batch: readonly CellMessage[]): void {
    for (const message of batch) {
      switch (message.kind) {
        case 'job':
          void this.#serve(message.id, message.job);
          break;
        case 'effect_answer':
          this.#calls.get(message.call)?.(message.answer);
          this.#calls.delete(message.call);
          break;
        default:
          message satisfies never;
      }
    }
  }

  async #open(): Promise<CellProgram> {
    const { spec, modules } = this.#start;
    for (const provider of spec.providers) {
      const plugin = await loadPlugin(provider.plugin, modules);
      const pool = new InstancePool(provider, plugin, {
        watch: this.#watch,
        limits: spec.limits,
        log: (source, level, message) => this.#outbox.push({ kind: 'log', source, level, message }),
      });
      pool.prepare(OPENING_JOB);
      this.#pools.set(provider.id, pool);
    }
    return this.#thread.openProgram(this.#start, this.#programHost(OPENING_JOB));
  }

  async #serve(id: number, job: Job): Promise<void> {
    let result: JobResult;
    try {
      const program = await this.#program;
      result = job.kind === 'run' ? await this.#run(program, id, job) : this.#callGuest(id, job);
    } catch (error) {
      result =
        error instanceof GtpackError
          ? { kind: 'error', code: error.code, message: error.message }
          : { kind: 'error', code: 'cell_lost', message: `The cell failed: ${errorMessage(error)}` };
    }
    this.#outbox.push({ kind: 'job_done', id, result });
  }

  async #run(program: CellProgram, id: number, job: Extract<Job, { kind: 'run' }>): Promise<JobResult> {
    return { kind: 'runs', runs: await program.run(job.event, job.runs, this.#programHost(id)) };
  }

  #callGuest(id: number, job: Exclude<Job, { kind: 'run' }>): JobResult {
    try {
      return this.#callProvider(id, job);
    } finally {
      this.#boundMemory();
    }
  }

  /**
   * Past the tenant's total, idle instances go, those of the largest pool first. What was given up counts until it is
   * collected: WebAssembly memory does not press V8 to do so by itself (seen: 64 MiB more with every call, without end).
   */
  #boundMemory(): void {
    const { maxTenantMemoryBytes } = this.#start.spec.limits;
    const pools = [...this.#pools.values()];
    const idle = (): number => pools.reduce((total, pool) => total + pool.memoryBytes(), 0);
    for (const pool of pools.sort((a, b) => b.memoryBytes() - a.memoryBytes())) {
      if (idle() <= maxTenantMemoryBytes) break;
      pool.dropIdle();
    }
    const dropped = pools.reduce((total, pool) => total + pool.droppedBytes, 0);
    if (idle() + dropped <= maxTenantMemoryBytes) return;
    this.#thread.collectGarbage();
    for (const pool of pools) pool.collected();
  }

  #callProvider(id: number, job: Exclude<Job, { kind: 'run' }>): JobResult {
    const { limits } = this.#start.spec;
    const pool = this.#poolOf(job.provider);
    switch (job.kind) {
      case 'ingest':
        return resultOf(pool.call(id, 'ingest', requestText(job.request)), (json) =>
          readOutcome(json, ingestContext(job.provider, job.request, this.#ids), limits),
        );
      case 'tick':
        return resultOf(pool.call(id, 'tick', tickText(job.tick)), (json) =>
          readOutcome(json, tickContext(job.provider, job.tick, this.#ids), limits),
        );
      case 'invoke':
        return resultOf(pool.call(id, 'invoke', job.input, job.operation), (json) =>
          readOutput(json, limits),
        );
      default:
        return job satisfies never;
    }
  }

  #poolOf(provider: string): InstancePool {
    const pool = this.#pools.get(provider);
    if (pool === undefined) throw new GtpackError('cell_lost', `The cell has no provider ${provider}.`);
    return pool;
  }

  #programHost(job: number): ProgramHost {
    return {
      guard: (stretch) => this.#watch.guard(job, stretch),
      effect: (effect) => this.#effect(effect),
      respond: (eventId, answer) => this.#outbox.push({ kind: 'respond', eventId, answer }),
      log: (source, level, message) => this.#outbox.push({ kind: 'log', source, level, message }),
    };
  }

  #effect(effect: Effect): Promise<EffectAnswer> {
    const call = this.#nextCall;
    this.#nextCall += 1;
    return new Promise((resolve) => {
      this.#calls.set(call, resolve);
      this.#outbox.push({ kind: 'effect', call, effect });
    });
  }
}

function resultOf(reply: GuestReply, read: (json: string) => JobResult): JobResult {
  return reply.kind === 'ok' ? read(reply.json) : { kind: 'problem', problem: reply.problem };
}

async function loadPlugin(
  spec: PluginSpec,
  modules: ReadonlyMap<string, WebAssembly.Module>,
): Promise<PluginModule> {
  const moduleOf = (digest: string): WebAssembly.Module => {
    const module = modules.get(digest);
    if (module === undefined)
      throw new GtpackError('plugin_invalid', `The module ${digest} did not reach the cell.`);
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
