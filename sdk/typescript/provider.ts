import { log } from './log.ts';
import { ProviderProblem, problemOf } from './problem.ts';
import type { Event, HandleOutcome, IngestOutcome, IngestRequest, Json, Tick, TickOutcome } from './types.ts';

/** What a provider does. Name the parts that its pack needs; the others are not exported. */
export interface ProviderDefinition {
  /** A request from outside becomes events. */
  ingest?(request: IngestRequest): IngestOutcome;
  /** An instant of a schedule has come. */
  tick?(tick: Tick): TickOutcome;
  /** An event that the pack subscribed to. */
  handle?(event: Event): HandleOutcome;
  /** Operations by name. */
  readonly invoke?: Readonly<Record<string, (input: Json) => Json>>;
}

/** The definition's parts as the interfaces of WIT package `gtpack:plugin`: JSON text in, JSON text out. */
export type Provider<D extends ProviderDefinition> = {
  readonly [K in keyof D & keyof Exports]: Exports[K];
};

interface Exports {
  readonly ingest: { ingest(request: string): string };
  readonly tick: { tick(tick: string): string };
  readonly handle: { handle(event: string): string };
  readonly invoke: { invoke(operation: string, input: string): string };
}

/**
 * Makes a provider. Export its parts by name, as the component's exports are read from the module's:
 *
 *     export const { ingest, invoke } = defineProvider({ ingest: …, invoke: … });
 */
export function defineProvider<const D extends ProviderDefinition>(definition: D): Provider<D> {
  const { ingest, tick, handle, invoke } = definition;
  const parts: Partial<Exports> = {
    ...(ingest && { ingest: { ingest: (text: string) => answer(() => ingest(JSON.parse(text))) } }),
    ...(tick && { tick: { tick: (text: string) => answer(() => tick(JSON.parse(text))) } }),
    ...(handle && { handle: { handle: (text: string) => answer(() => handle(JSON.parse(text))) } }),
    ...(invoke && {
      invoke: {
        invoke: (operation: string, input: string) =>
          answer(() => call(invoke, operation, JSON.parse(input))),
      },
    }),
  };
  return parts as Provider<D>;
}

function call(operations: Readonly<Record<string, (input: Json) => Json>>, name: string, input: Json): Json {
  if (Object.hasOwn(operations, name)) {
    const operation = operations[name];
    if (operation !== undefined) return operation(input);
  }
  throw new ProviderProblem('operation_unknown', `There is no operation "${name}".`);
}

/**
 * The engine hands a thrown problem record to the host as the call's typed error; any other exception ends the instance, and so does
 * half a surrogate pair in any text that crosses. JSON escapes those.
 */
function answer(work: () => unknown): string {
  try {
    return JSON.stringify(work()) ?? 'null';
  } catch (thrown) {
    const problem = problemOf(thrown);
    if (problem !== undefined) {
      const { code, message, retryable } = problem;
      throw { code: code.toWellFormed(), message: message.toWellFormed(), retryable };
    }
    // The engine's own report of an exception goes to an error stream that a provider does not have.
    const defect = thrown instanceof Error ? `${thrown.message}\n${thrown.stack ?? ''}` : String(thrown);
    log.error(`The provider threw: ${defect}`);
    throw thrown;
  }
}
