import { errorMessage, GtpackError } from '../errors.ts';
import type { Event, EventMetadata } from '../event/event.ts';
import type { JsonObject } from '../event/json.ts';
import type { LogPlace } from '../sandbox/protocol.ts';
import { enterCel } from './cel-value.ts';
import type { CelScope } from './expression.ts';
import type { NodeError } from './journal.ts';

/** JSON text whose CEL value is made when the first expression reaches it. */
class JsonText {
  readonly text: string;
  #entered: { readonly value: unknown } | undefined;

  constructor(text: string) {
    this.text = text;
  }

  get cel(): unknown {
    this.#entered ??= { value: enterCel(JSON.parse(this.text)) };
    return this.#entered.value;
  }
}

/** The event of one or more runs, parsed once for all of them. */
export class RunEvent {
  readonly json: string;
  /** The event without its payload: what the events that follow from it carry on. */
  readonly head: Event;
  readonly #parsed: Event;
  readonly #headers: JsonObject;
  #cel: { readonly event: unknown; readonly headers: unknown } | undefined;

  /**
   * @param json a normalized event, bounded when it was accepted
   * @throws GtpackError `event_invalid` for what is no JSON object
   */
  constructor(json: string) {
    this.json = json;
    this.#parsed = parseEvent(json);
    const { id, event_type, source, timestamp, metadata } = this.#parsed;
    this.head = {
      id,
      event_type,
      source,
      timestamp,
      payload: null,
      // A copy of numbers and texts: entering CEL changes the parsed event.
      ...(metadata === undefined ? {} : { metadata: { ...metadata } satisfies EventMetadata }),
    };
    this.#headers = metadata?.http?.headers ?? {};
  }

  /** The same event with another payload: what a flow sees that is called. @param payload JSON text */
  with(payload: string): RunEvent {
    const { payload: _, ...head } = this.head;
    return new RunEvent(`${JSON.stringify(head).slice(0, -1)},"payload":${payload}}`);
  }

  /** Of the text, since entering CEL changes what was parsed. */
  get payloadJson(): string {
    return JSON.stringify(parseEvent(this.json).payload);
  }

  get headersJson(): string {
    return JSON.stringify(this.#headers);
  }

  get cel(): { readonly event: unknown; readonly headers: unknown } {
    this.#cel ??= { event: enterCel(this.#parsed), headers: enterCel(this.#headers) };
    return this.#cel;
  }
}

/** Where a line of a run was written. @param node none before its first */
export function logPlace(run: string, { head }: RunEvent, node?: string): LogPlace {
  const trace = head.metadata?.trace_id;
  return { run, ...(node === undefined ? {} : { node }), ...(trace === undefined ? {} : { trace }) };
}

function parseEvent(json: string): Event {
  try {
    const event: unknown = JSON.parse(json);
    if (typeof event === 'object' && event !== null && !Array.isArray(event)) return event as Event;
  } catch (error) {
    throw new GtpackError('event_invalid', `The event is no JSON: ${errorMessage(error)}.`, { cause: error });
  }
  throw new GtpackError('event_invalid', 'The event is no JSON object.');
}

const NULL = new JsonText('null');

/** What the nodes of one run see: `event`, `headers`, `input`, `error`, `steps`, and the outputs that have a name. */
export class RunScope {
  readonly cel: CelScope;
  readonly #event: RunEvent;
  readonly #outputs = new Map<string, JsonText>();
  readonly #named = new Map<string, JsonText>();
  readonly #steps: Record<string, unknown> = {};
  #input = NULL;
  #error = NULL;

  /** @param input JSON text that the first node finds as its input */
  constructor(event: RunEvent, input?: string) {
    this.#event = event;
    if (input !== undefined) this.#input = new JsonText(input);
    this.cel = new LazyNames((name) => this.#lookUp(name));
  }

  /** JSON text of the previous node's output; `null` before the first. */
  get inputJson(): string {
    return this.#input.text;
  }

  /** Makes a node's output the next one's input. @param names what later nodes call it, besides `steps.<id>` */
  record(node: string, json: string, names: readonly string[]): void {
    const output = new JsonText(json);
    this.#input = output;
    this.#step(node, output);
    for (const name of names) this.#named.set(name, output);
  }

  #step(node: string, output: JsonText): void {
    this.#outputs.set(node, output);
    Object.defineProperty(this.#steps, node, {
      get: () => output.cel,
      enumerable: true,
      configurable: true,
    });
  }

  /**
   * Another scope that begins as this one is: neither sees what is recorded in the other from now on.
   * @param named what it has besides, JSON texts by name
   * @param input JSON text; by default as here
   */
  fork(named: Readonly<Record<string, string>>, input?: string): RunScope {
    const fork = new RunScope(this.#event);
    for (const [node, output] of this.#outputs) fork.#step(node, output);
    for (const [name, output] of this.#named) fork.#named.set(name, output);
    for (const [name, json] of Object.entries(named)) fork.#named.set(name, new JsonText(json));
    fork.#input = input === undefined ? this.#input : new JsonText(input);
    fork.#error = this.#error;
    return fork;
  }

  /** What nodes see as `error`: that of the last node whose failure the flow dealt with. */
  fail(error: NodeError): void {
    this.#error = new JsonText(JSON.stringify(error));
  }

  /** All of the scope as JSON texts by name, for scripts. */
  texts(): Record<string, string> {
    const steps = [...this.#outputs].map(([node, { text }]) => `${JSON.stringify(node)}:${text}`);
    const texts: Record<string, string> = {
      event: this.#event.json,
      headers: this.#event.headersJson,
      input: this.#input.text,
      error: this.#error.text,
      steps: `{${steps.join(',')}}`,
    };
    for (const [name, { text }] of this.#named) texts[name] = text;
    return texts;
  }

  #lookUp(name: string): unknown {
    switch (name) {
      case 'event':
        return this.#event.cel.event;
      case 'headers':
        return this.#event.cel.headers;
      case 'input':
        return this.#input.cel;
      case 'error':
        return this.#error.cel;
      case 'steps':
        return this.#steps;
      default:
        return this.#named.get(name)?.cel;
    }
  }
}

/** The library asks a Map for a name when an expression reaches it, and never lists the names. */
class LazyNames extends Map<string, unknown> {
  readonly #lookUp: (name: string) => unknown;

  constructor(lookUp: (name: string) => unknown) {
    super();
    this.#lookUp = lookUp;
  }

  override get(name: string): unknown {
    return this.#lookUp(name);
  }
}
