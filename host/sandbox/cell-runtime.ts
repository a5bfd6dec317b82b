import type { GuestProblem, WaitingImport } from '../contract.ts';
import { errorMessage, GtpackError, type Problem } from '../errors.ts';
import type { Event } from '../event/event.ts';
import { type EventIds, eventIds, type NormalizeContext } from '../event/normalize.ts';
import { CellPlugins } from './cell-plugins.ts';
import type { ComponentBinding } from './component-binding.ts';
import { readArguments } from './effect-arguments.ts';
import { GuestCall } from './guest-call.ts';
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
import { Outbox } from './outbox.ts';
import type { GuestReply } from './plugin.ts';
import type {
  CellLoss,
  CellMessage,
  CellReport,
  CellStart,
  Effect,
  EffectAnswer,
  EffectRun,
  HttpAnswer,
  Job,
  JobResult,
  RunJournal,
  RunOrder,
  RunOutcome,
} from './protocol.ts';
import { TenantMemory } from './tenant-memory.ts';
import { OPENING_JOB, type Owner, Watch } from './watch.ts';

/** Runs flows. The sandbox knows no more of them than this. */
export interface CellProgram {
  /** What keeps some of its flows from running. */
  readonly problems: readonly Problem[];
  run(event: string, orders: readonly RunOrder[], host: ProgramHost): Promise<RunOutcome[]>;
}

/** What a run may reach while it works for one job. */
export interface ProgramHost {
  /**
   * Runs one uninterrupted stretch of a tenant's code under the watch.
   * @param source `flow:<name>`
   */
  guard<T>(source: string, stretch: () => T): T;
  effect(effect: Effect): Promise<EffectAnswer>;
  /** @throws GtpackError for what the provider did wrong */
  call(call: ProviderCall): Promise<EffectAnswer>;
  record(journal: RunJournal): Promise<EffectAnswer>;
  respond(eventId: string, answer: HttpAnswer): void;
  log(source: string, level: LogLevelOf, message: string): void;
}

/** An operation of a provider, called by a run in the same cell. */
export interface ProviderCall {
  readonly provider: string;
  readonly operation: string;
  /** JSON text. */
  readonly input: string;
  /** Named with the provider's effects; its journal is empty, since the run records its own outcome. */
  readonly run: EffectRun;
  /** Begins the ids of what the provider publishes, so that a repeat is a duplicate (promise B4). */
  readonly key: string;
  /** The run's event: what the provider publishes follows from it, and is one hop further. */
  readonly cause: Event;
  /** Counts one effect of the provider. @returns why it may have no more */
  readonly spend: () => GtpackError | undefined;
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
  /** Makes the binding of a component that was built for another host, of what its spec says of it. */
  readonly bindComponent: (binding: unknown) => ComponentBinding;
  /** There if a provider of the cell brings JSON Schemas. */
  readonly compileSchema?: CompileSchema | undefined;
  /** Collects the thread's garbage at once. */
  readonly collectGarbage: () => void;
}

/** Results go out in parts of a large batch, so that the bus commits some while the cell works on the rest. */
const REPORTS_A_BATCH = 16;

/** A tenant's cell: its plugins and its flows in one thread, and the batches that come and go. */
export class CellRuntime {
  readonly #start: CellStart;
  readonly #thread: CellThread;
  readonly #watch: Watch;
  readonly #outbox: Outbox<CellReport>;
  readonly #ids: EventIds = eventIds();
  readonly #memory: TenantMemory;
  readonly #turns: GuestTurns;
  readonly #calls = new Map<number, (answer: EffectAnswer) => void>();
  readonly #plugins: CellPlugins;
  readonly #pluginsOpened: Promise<void>;
  readonly #program: Promise<CellProgram>;
  #nextCall = 0;

  constructor(start: CellStart, thread: CellThread) {
    this.#start = start;
    this.#thread = thread;
    this.#watch = new Watch(start.watch);
    this.#turns = new GuestTurns(this.#watch);
    const { maxTenantMemoryBytes, maxMemoriesPerHost } = start.spec.limits;
    this.#memory = new TenantMemory(
      maxTenantMemoryBytes,
      new HostMemories(start.memories, maxMemoriesPerHost),
      thread.collectGarbage,
    );
    this.#outbox = new Outbox(thread.send, REPORTS_A_BATCH);
    this.#plugins = new CellPlugins(start, thread);
    this.#pluginsOpened = this.#openPlugins();
    this.#program = this.#openProgram();
  }

  /** Resolves when every plugin and flow is ready. @throws what kept a plugin from starting; the cell must end then */
  async opened(): Promise<void> {
    const { problems } = await this.#program;
    this.#outbox.push({ kind: 'opened', problems: [...this.#plugins.problems(), ...problems] });
  }

  receive(batch: readonly CellMessage[]): void {
    for (const message of batch) {
      switch (message.kind) {
        case 'job':
          void this.#serve(message.id, message.job);
          break;
        case 'effect_answer': {
          const answered = this.#calls.get(message.call);
          this.#calls.delete(message.call);
          answered?.(message.answer);
          break;
        }
        default:
          message satisfies never;
      }
    }
  }

  #openPlugins(): Promise<void> {
    const prepare = (provider: string, pool: InstancePool): Promise<void> =>
      this.#enter(OPENING_JOB, invokeContext(provider, this.#ids), (call) => pool.prepare(call));
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
    this.#outbox.push({ kind: 'job_done', id, result });
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
        const reply = await this.#enter(id, context, (call) =>
          pool.call(call, 'ingest', requestText(job.request)),
        );
        return resultOf(reply, (json) => readOutcome(json, context, limits));
      }
      case 'tick': {
        const context = tickContext(job.provider, job.tick, this.#ids);
        const reply = await this.#enter(id, context, (call) => pool.call(call, 'tick', tickText(job.tick)));
        return resultOf(reply, (json) => readOutcome(json, context, limits));
      }
      case 'invoke': {
        const context = invokeContext(job.provider, this.#ids);
        this.#checkPart(id, job, 'input', job.input);
        const reply = await this.#enter(id, context, (call) =>
          pool.call(call, 'invoke', job.input, job.operation),
        );
        return resultOf(reply, (json) => {
          const output = readOutput(json, limits);
          this.#checkPart(id, job, 'output', json);
          return output;
        });
      }
      case 'measure':
        return { kind: 'memory', bytes: pool.memoryBytes() };
      default:
        return job satisfies never;
    }
  }

  /** Runs one call into guest code, with a budget of its own. */
  async #enter<T>(
    job: number,
    context: NormalizeContext,
    enter: (call: GuestCall) => T | Promise<T>,
    forRun?: ProviderCall,
  ): Promise<T> {
    const whose: Owner = { job, source: context.source };
    const call = new GuestCall(whose, this.#start.spec.limits, {
      ask: (capability, fn, args) => {
        const refusal = forRun?.spend();
        if (refusal !== undefined) return Promise.resolve({ kind: 'problem', problem: problemOf(refusal) });
        return this.#ask(whose, context, capability, fn, args, forRun?.run);
      },
      deliver: (owner, hand) => this.#turns.take(owner, hand),
      giveUp: (owner, detail) => this.#giveUp({ reason: 'overrun', detail, ...owner }),
    });
    try {
      const reply = enter(call);
      return reply instanceof Promise ? await reply : reply;
    } finally {
      for (const line of call.end()) this.#outbox.push({ kind: 'log', ...line });
      this.#memory.settle();
      this.#boundMemory(whose);
    }
  }

  /** A guest's effect. What it passes is read here, where it may be parsed. */
  async #ask(
    owner: Owner,
    context: NormalizeContext,
    capability: WaitingImport,
    fn: string,
    args: readonly string[],
    run: EffectRun | null = null,
  ): Promise<GuestReply> {
    this.#boundMemory(owner);
    const { limits } = this.#start.spec;
    try {
      const answer = await this.#effect({
        capability,
        fn,
        source: context.source,
        run,
        ...readArguments(capability, fn, args, context, limits),
      });
      return answer.kind === 'ok' ? { kind: 'ok', json: answer.output } : answer;
    } catch (error) {
      const code = error instanceof GtpackError ? error.code : 'effect_failed';
      return { kind: 'problem', problem: { code, message: errorMessage(error), retryable: false } };
    }
  }

  /** A schema is its pack's code: a pattern may take as long as it likes. */
  #checkPart(
    job: number,
    { provider, operation }: { readonly provider: string; readonly operation: string },
    part: 'input' | 'output',
    json: string,
  ): void {
    const checks = this.#plugins.checksOf(provider);
    if (checks === undefined) return;
    this.#watch.guard({ job, source: provider }, () => checks.operation(operation, part, json));
  }

  #boundMemory(owner: Owner): void {
    const detail = this.#memory.excess();
    if (detail !== undefined) this.#giveUp({ reason: 'memory', detail, ...owner });
  }

  #giveUp(loss: CellLoss): void {
    this.#outbox.push({ kind: 'give_up', loss });
  }

  #programHost(job: number): ProgramHost {
    return {
      guard: (source, stretch) => this.#watch.guard({ job, source }, stretch),
      effect: (effect) => this.#effect(effect),
      call: (call) => this.#callForRun(job, call),
      record: (journal) => this.#await((call) => ({ kind: 'record', call, journal })),
      respond: (eventId, answer) => this.#outbox.push({ kind: 'respond', eventId, answer }),
      log: (source, level, message) => this.#outbox.push({ kind: 'log', source, level, message }),
    };
  }

  /** A provider's operation with its own budget, grants and log; its effects count for the run, too. */
  async #callForRun(job: number, order: ProviderCall): Promise<EffectAnswer> {
    const { provider, operation, input, key, cause } = order;
    const pool = this.#plugins.poolOf(provider);
    const context = { ...invokeContext(provider, repeatableIds(key, this.#ids)), cause };
    this.#checkPart(job, order, 'input', input);
    const reply = await this.#enter(
      job,
      context,
      (call) => pool.call(call, 'invoke', input, operation),
      order,
    );
    if (reply.kind === 'problem') return reply;
    readOutput(reply.json, this.#start.spec.limits);
    this.#checkPart(job, order, 'output', reply.json);
    return { kind: 'ok', output: reply.json };
  }

  #effect(effect: Effect): Promise<EffectAnswer> {
    return this.#await((call) => ({ kind: 'effect', call, effect }));
  }

  #await(report: (call: number) => CellReport): Promise<EffectAnswer> {
    const call = this.#nextCall;
    this.#nextCall += 1;
    return new Promise((resolve) => {
      this.#calls.set(call, resolve);
      this.#outbox.push(report(call));
    });
  }
}

function repeatableIds(key: string, { hex }: EventIds): EventIds {
  let count = 0;
  const next = (): string => {
    count += 1;
    return `${key}.${count}`;
  };
  return { next, hex };
}

function problemOf(error: GtpackError): GuestProblem {
  const [{ code, message }] = error.problems;
  return { code, message, retryable: error.retryable };
}

function resultOf(reply: GuestReply, read: (json: string) => JobResult): JobResult {
  return reply.kind === 'ok' ? read(reply.json) : { kind: 'problem', problem: reply.problem };
}
