import { errorMessage, GtpackError } from '../errors.ts';
import { type EventIds, eventIds } from '../event/normalize.ts';
import { CellPlugins } from './cell-plugins.ts';
import type { ComponentBinding } from './component-binding.ts';
import { GuestEntry } from './guest-entry.ts';
import { GuestTurns } from './guest-turns.ts';
import { HostMemories } from './host-memories.ts';
import {
  ingestContext,
  invokeContext,
  readOutcome,
  readOutput,
  requestText,
  tickContext,
  tickText,
} from './ingest.ts';
import type { InstancePool } from './instance-pool.ts';
import type { CompileSchema } from './json-schema.ts';
import type { GuestReply } from './plugin.ts';
import type { CellProgram, OpenProgram, ProgramHost } from './program.ts';
import type { CellMessage, CellReport, CellStart, Job, JobResult } from './protocol.ts';
import { Reports } from './reports.ts';
import { TenantMemory } from './tenant-memory.ts';
import { UsageMeter } from './usage.ts';
import { OPENING_JOB, Watch } from './watch.ts';

/** What a cell needs of the thread that it lives in. */
export interface CellThread {
  readonly send: (batch: CellReport[]) => void;
  readonly openProgram: OpenProgram;
  /** Makes the binding of a component that was built for another host, of what its spec says of it. */
  readonly bindComponent: (binding: unknown) => ComponentBinding;
  /** There if a provider of the cell brings JSON Schemas. */
  readonly compileSchema?: CompileSchema | undefined;
  /** CPU time of the thread, in milliseconds. */
  readonly cpuMs: () => number;
  /** Collects the thread's garbage at once. */
  readonly collectGarbage: () => void;
}

/** A tenant's cell: its plugins and its flows in one thread, and the batches that come and go. */
export class CellRuntime {
  readonly #start: CellStart;
  readonly #thread: CellThread;
  readonly #watch: Watch;
  readonly #meter: UsageMeter;
  #usageTimer: NodeJS.Timeout | undefined;
  readonly #reports: Reports;
  readonly #ids: EventIds = eventIds();
  readonly #memory: TenantMemory;
  readonly #plugins: CellPlugins;
  readonly #entry: GuestEntry;
  readonly #pluginsOpened: Promise<void>;
  readonly #program: Promise<CellProgram>;

  constructor(start: CellStart, thread: CellThread) {
    this.#start = start;
    this.#thread = thread;
    this.#meter = new UsageMeter({ now: () => performance.now(), cpuMs: thread.cpuMs });
    this.#watch = new Watch(start.watch, this.#meter);
    const { maxTenantMemoryBytes, maxMemoriesPerHost } = start.spec.limits;
    this.#memory = new TenantMemory(
      maxTenantMemoryBytes,
      new HostMemories(start.memories, maxMemoriesPerHost),
      thread.collectGarbage,
    );
    this.#reports = new Reports((batch) => thread.send(this.#withUsage(batch)));
    this.#plugins = new CellPlugins(start, thread);
    this.#entry = new GuestEntry({
      limits: start.spec.limits,
      plugins: this.#plugins,
      memory: this.#memory,
      watch: this.#watch,
      turns: new GuestTurns(this.#watch),
      ids: this.#ids,
      reports: this.#reports,
    });
    this.#pluginsOpened = this.#openPlugins();
    this.#program = this.#openProgram();
  }

  /** Resolves when every plugin and flow is ready. @throws what kept a plugin from starting; the cell must end then */
  async opened(): Promise<void> {
    const { problems } = await this.#program;
    this.#reports.push({ kind: 'opened', problems: [...this.#plugins.problems(), ...problems] });
  }

  receive(batch: readonly CellMessage[]): void {
    for (const message of batch) {
      switch (message.kind) {
        case 'job':
          void this.#serve(message.id, message.job);
          break;
        case 'effect_answer':
          this.#reports.answered(message.call, message.answer);
          break;
        default:
          message satisfies never;
      }
    }
  }

  #withUsage(batch: CellReport[]): CellReport[] {
    const dueInMs = this.#meter.dueInMs;
    if (dueInMs === undefined) return batch;
    if (dueInMs === 0)
      return [...batch, { kind: 'usage', usage: this.#meter.take(this.#plugins.memories()) }];
    this.#usageTimer ??= setTimeout(() => {
      this.#usageTimer = undefined;
      const last = this.#withUsage([]);
      if (last.length > 0) this.#thread.send(last);
    }, dueInMs).unref();
    return batch;
  }

  #openPlugins(): Promise<void> {
    const prepare = (provider: string, pool: InstancePool): Promise<void> =>
      this.#entry.enter(OPENING_JOB, invokeContext(provider, this.#ids), (call) => pool.prepare(call));
    return this.#plugins.open({ watch: this.#watch, memory: this.#memory }, prepare);
  }

  async #openProgram(): Promise<CellProgram> {
    await this.#pluginsOpened;
    return this.#thread.openProgram(this.#start, this.#programHost(OPENING_JOB));
  }

  async #serve(id: number, job: Job): Promise<void> {
    let result: JobResult;
    try {
      result = job.kind === 'run' ? await this.#run(id, job) : await this.#callGuest(id, job);
    } catch (error) {
      result =
        error instanceof GtpackError
          ? { kind: 'error', code: error.code, message: error.message }
          : { kind: 'error', code: 'cell_lost', message: `The cell failed: ${errorMessage(error)}` };
    }
    this.#reports.push({ kind: 'job_done', id, result });
  }

  async #run(id: number, job: Extract<Job, { kind: 'run' }>): Promise<JobResult> {
    const program = await this.#program;
    return { kind: 'runs', runs: await program.run(job.event, job.runs, this.#programHost(id)) };
  }

  async #callGuest(id: number, job: Exclude<Job, { kind: 'run' }>): Promise<JobResult> {
    // A plugin needs no flow: a cold tenant's first webhook does not wait for the script engine.
    await this.#pluginsOpened;
    const { limits } = this.#start.spec;
    const pool = this.#plugins.poolOf(job.provider);
    switch (job.kind) {
      case 'ingest': {
        const context = ingestContext(job.provider, job.request, this.#ids);
        const reply = await this.#entry.enter(id, context, (call) =>
          pool.call(call, 'ingest', requestText(job.request)),
        );
        return resultOf(reply, (json) => readOutcome(json, context, limits));
      }
      case 'tick': {
        const context = tickContext(job.provider, job.tick, this.#ids);
        const reply = await this.#entry.enter(id, context, (call) =>
          pool.call(call, 'tick', tickText(job.tick)),
        );
        return resultOf(reply, (json) => readOutcome(json, context, limits));
      }
      case 'invoke': {
        const context = invokeContext(job.provider, this.#ids);
        this.#entry.checkPart(id, job, 'input', job.input);
        const reply = await this.#entry.enter(id, context, (call) =>
          pool.call(call, 'invoke', job.input, job.operation),
        );
        return resultOf(reply, (json) => {
          const output = readOutput(json, limits);
          this.#entry.checkPart(id, job, 'output', json);
          return output;
        });
      }
      case 'measure':
        return { kind: 'memory', bytes: pool.memoryBytes() };
      default:
        return job satisfies never;
    }
  }

  #programHost(job: number): ProgramHost {
    return {
      guard: (source, stretch) => this.#watch.guard({ job, source }, stretch),
      effect: (effect) => this.#entry.effect(effect),
      call: (call) => this.#entry.callForRun(job, call),
      record: (journal) => this.#reports.ask((call) => ({ kind: 'record', call, journal })),
      respond: (eventId, answer) => this.#reports.push({ kind: 'respond', eventId, answer }),
      log: (line) => this.#reports.push({ kind: 'log', ...line }),
    };
  }
}

function resultOf(reply: GuestReply, read: (json: string) => JobResult): JobResult {
  return reply.kind === 'ok' ? read(reply.json) : { kind: 'problem', problem: reply.problem };
}
