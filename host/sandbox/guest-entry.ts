import type { GuestProblem, WaitingImport } from '../contract.ts';
import { errorMessage, GtpackError } from '../errors.ts';
import { type EventIds, type NormalizeContext, traceOf } from '../event/normalize.ts';
import { spanId, traceparent } from '../event/trace.ts';
import type { CellPlugins } from './cell-plugins.ts';
import { readArguments } from './effect-arguments.ts';
import { GuestCall } from './guest-call.ts';
import type { GuestTurns } from './guest-turns.ts';
import { invokeContext, readOutput } from './ingest.ts';
import type { GuestReply } from './plugin.ts';
import type { ProviderCall } from './program.ts';
import type { CellLimits, CellLoss, Effect, EffectAnswer, LogPlace } from './protocol.ts';
import type { Reports } from './reports.ts';
import type { TenantMemory } from './tenant-memory.ts';
import type { Owner, Watch } from './watch.ts';

export interface GuestEntryParts {
  readonly limits: CellLimits;
  readonly plugins: CellPlugins;
  readonly memory: TenantMemory;
  readonly watch: Watch;
  readonly turns: GuestTurns;
  readonly ids: EventIds;
  readonly reports: Reports;
}

/** How calls enter the guests of a cell, and what guests may ask meanwhile. */
export class GuestEntry {
  readonly #parts: GuestEntryParts;

  constructor(parts: GuestEntryParts) {
    this.#parts = parts;
  }

  /** Runs one call into guest code, with a budget of its own. */
  async enter<T>(
    job: number,
    context: NormalizeContext,
    enter: (call: GuestCall) => T | Promise<T>,
    forRun?: RunCall,
  ): Promise<T> {
    const whose: Owner = { job, source: context.source };
    const call = new GuestCall(whose, limitsOf(this.#parts.limits, forRun?.order), {
      ask: (capability, fn, args) => {
        const refusal = forRun?.order.spend();
        if (refusal !== undefined) return Promise.resolve({ kind: 'problem', problem: problemOf(refusal) });
        return this.#ask(whose, context, capability, fn, args, forRun);
      },
      deliver: (owner, hand) => this.#parts.turns.take(owner, hand),
      giveUp: (owner, detail) => this.#giveUp({ reason: 'overrun', detail, ...owner }),
    });
    try {
      const reply = enter(call);
      return reply instanceof Promise ? await reply : reply;
    } finally {
      const lines = call.end();
      const place = lines.length === 0 ? {} : placeOf(context, forRun);
      for (const line of lines) this.#parts.reports.push({ kind: 'log', ...line, place });
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
    forRun: RunCall | undefined,
  ): Promise<GuestReply> {
    this.#boundMemory(owner);
    const { limits } = this.#parts;
    try {
      const answer = await this.effect({
        capability,
        fn,
        source: context.source,
        ...(forRun === undefined
          ? { run: null, ...spanOf(context, context.ids.hex(8)) }
          : inRun(forRun, context, capability)),
        ...readArguments(capability, fn, args, context, limits),
      });
      if (answer.kind === 'ok') return { kind: 'ok', json: answer.output };
      const { retryAfterMs, ...problem } = answer.problem;
      forRun?.heed(retryAfterMs);
      return { kind: 'problem', problem };
    } catch (error) {
      const code = error instanceof GtpackError ? error.code : 'effect_failed';
      return { kind: 'problem', problem: { code, message: errorMessage(error), retryable: false } };
    }
  }

  /** A schema is its pack's code: a pattern may take as long as it likes. */
  checkPart(
    job: number,
    { provider, operation }: { readonly provider: string; readonly operation: string },
    part: 'input' | 'output',
    json: string,
  ): void {
    const checks = this.#parts.plugins.checksOf(provider);
    if (checks === undefined) return;
    this.#parts.watch.guard({ job, source: provider }, () => checks.operation(operation, part, json));
  }

  /** At every host call and call boundary. Idle instances go before a cell has to end for what the others have grown. */
  #boundMemory(owner: Owner): void {
    this.#parts.memory.settle();
    const detail = this.#parts.memory.excess();
    if (detail !== undefined) this.#giveUp({ reason: 'memory', detail, ...owner });
  }

  #giveUp(loss: CellLoss): void {
    this.#parts.reports.push({ kind: 'give_up', loss });
  }

  /** A provider's operation with its own budget, grants and log; its effects count for the run, too. */
  async callForRun(job: number, order: ProviderCall): Promise<EffectAnswer> {
    const { provider, operation, input, key, cause } = order;
    const forRun = new RunCall(order);
    const pool = this.#parts.plugins.poolOf(provider);
    const context = { ...invokeContext(provider, repeatableIds(key, this.#parts.ids)), cause };
    this.checkPart(job, order, 'input', input);
    const reply = await this.enter(
      job,
      context,
      (call) => pool.call(call, 'invoke', input, operation),
      forRun,
    );
    if (reply.kind === 'problem') return { kind: 'problem', problem: forRun.paused(reply.problem) };
    readOutput(reply.json, this.#parts.limits);
    this.checkPart(job, order, 'output', reply.json);
    return { kind: 'ok', output: reply.json };
  }

  effect(effect: Effect): Promise<EffectAnswer> {
    return this.#parts.reports.ask((call) => ({ kind: 'effect', call, effect }));
  }
}

/** A call that a run makes, and what is learned of its effects meanwhile. */
class RunCall {
  readonly order: ProviderCall;
  readonly #counts = new Map<WaitingImport, number>();
  #retryAfterMs: number | undefined;

  constructor(order: ProviderCall) {
    this.order = order;
  }

  /** The same for the same effect of the same call, whenever a run makes it again. */
  nextKey(capability: WaitingImport): string {
    const count = (this.#counts.get(capability) ?? 0) + 1;
    this.#counts.set(capability, count);
    return `${this.order.key}.${capability}.${count}`;
  }

  heed(retryAfterMs = 0): void {
    if (retryAfterMs > (this.#retryAfterMs ?? 0)) this.#retryAfterMs = retryAfterMs;
  }

  /** A provider that fails for a vendor's pause has no word for it: its run learns of it all the same. */
  paused(problem: GuestProblem): GuestProblem {
    if (!problem.retryable || this.#retryAfterMs === undefined) return problem;
    return { ...problem, retryAfterMs: this.#retryAfterMs };
  }
}

function inRun(
  forRun: RunCall,
  context: NormalizeContext,
  capability: WaitingImport,
): Pick<Effect, 'run' | 'key' | 'trace'> {
  const key = forRun.nextKey(capability);
  return { run: forRun.order.run, key, ...spanOf(context, spanId('effect', key)) };
}

function spanOf(context: NormalizeContext, span: string): Pick<Effect, 'trace'> {
  const trace = traceparent(traceOf(context), span);
  return trace === undefined ? {} : { trace };
}

function placeOf(context: NormalizeContext, forRun: RunCall | undefined): LogPlace {
  const trace = traceOf(context);
  if (forRun === undefined) return { trace };
  const { runId, node } = forRun.order.run;
  return { run: runId, node, trace };
}

/** A provider that is called by a node has no more time than the node. */
function limitsOf(limits: CellLimits, forRun: ProviderCall | undefined): CellLimits {
  return forRun === undefined || forRun.wallMs >= limits.effectCallWallMs
    ? limits
    : { ...limits, effectCallWallMs: forRun.wallMs };
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
