import {
  PLUGIN_PACKAGE,
  PLUGIN_VERSION,
  type PluginExport,
  WAITING_FUNCTIONS,
  type WaitingImport,
} from '../contract.ts';
import { GtpackError } from '../errors.ts';
import { readGuestProblem } from './guest-problem.ts';
import { type GuestImports, type GuestReply, MAX_REPLY_BYTES } from './plugin.ts';

/**
 * How a component's interfaces become the functions of a plugin. The host's own interfaces have one; those of other hosts
 * that this one understands have others, which the cell is opened with.
 */
export interface ComponentBinding {
  /** What the glue asks for besides WASI, by interface name without version. */
  link(imports: GuestImports): Record<string, unknown>;
  /** @param exports as the glue gives them, by interface name with version */
  call(
    exports: Readonly<Record<string, unknown>>,
    name: PluginExport,
    input: string,
    operation: string | undefined,
  ): GuestReply | Promise<GuestReply>;
}

/**
 * A function that a component exports, of an interface or, with null, its own.
 * @throws GtpackError `guest_export_missing`
 */
export function exportedFunction(
  exports: Readonly<Record<string, unknown>>,
  instance: string | null,
  fn: string,
): (...args: unknown[]) => unknown {
  const owner = instance === null ? exports : exports[instance];
  const entry = (owner as Record<string, unknown> | undefined)?.[fn];
  if (typeof entry === 'function') return entry as (...args: unknown[]) => unknown;
  const place = instance === null ? '' : ` of ${instance}`;
  throw new GtpackError('guest_export_missing', `The component exports no ${fn}${place}.`);
}

/** The interfaces of sdk/wit. */
export const PLUGIN_BINDING: ComponentBinding = {
  link({ config, log, waiting, ask }) {
    // `types` holds no function; glue may ask for the interface all the same.
    const table: Record<string, unknown> = { [`${PLUGIN_PACKAGE}/types`]: {} };
    if (config !== undefined) table[`${PLUGIN_PACKAGE}/config`] = { get: config };
    if (log !== undefined) table[`${PLUGIN_PACKAGE}/log`] = { write: log };
    for (const capability of waiting) {
      table[`${PLUGIN_PACKAGE}/${capability}`] = Object.fromEntries(
        WAITING_FUNCTIONS[capability].map((fn) => [fn, waitingFunction(capability, fn, ask)]),
      );
    }
    return table;
  },
  call(exports, name, input, operation) {
    const entry = exportedFunction(exports, `${PLUGIN_PACKAGE}/${name}@${PLUGIN_VERSION}`, name);
    const texts = operation === undefined ? [input] : [operation, input];
    let reply: unknown;
    try {
      reply = entry(...texts);
    } catch (thrown) {
      return problemOrThrow(thrown);
    }
    return reply instanceof Promise ? reply.then(replyOf, problemOrThrow) : replyOf(reply);
  },
};

/** The glue throws the error side of a result as the bare record; a trap and the glue's own faults are Errors. */
function problemOrThrow(thrown: unknown): GuestReply {
  if (thrown instanceof Error) throw thrown;
  const problem = readGuestProblem(thrown);
  if (problem !== undefined) return { kind: 'problem', problem };
  throw new GtpackError(
    'guest_output_invalid',
    'The component returned neither text nor a problem with a code in snake_case and a message.',
  );
}

function replyOf(reply: unknown): GuestReply {
  if (typeof reply === 'string' && reply.length <= MAX_REPLY_BYTES) return { kind: 'ok', json: reply };
  throw new GtpackError(
    'guest_output_invalid',
    `The component returned no text of at most ${MAX_REPLY_BYTES} bytes.`,
  );
}

/** The glue takes what is thrown for the error side of the result. */
function waitingFunction(capability: WaitingImport, fn: string, ask: GuestImports['ask']): unknown {
  return async (...args: unknown[]) => {
    const reply = await ask(capability, fn, args.map(String));
    if (reply.kind === 'problem') throw reply.problem;
    return reply.json;
  };
}
