import type { Json, JsonObject } from '../event/json.ts';
import { type FieldFlow, type FieldNode, shown } from './field-manifest.ts';
import { isFieldMap } from './field-node.ts';
import { FieldTemplates } from './field-template.ts';
import { type Leads, leadsOf } from './flow-routes.ts';
import { TokenSet } from './token-set.ts';

/** What of a pack a converted flow needs to know. */
export interface FlowNames {
  /** What the flow is called here. */
  readonly name: string;
  readonly version: string;
  /** What starts it. */
  readonly eventType: string;
  /** The provider that a component of the same pack became. */
  readonly providerOf: (component: string) => string | undefined;
}

export interface FlowConversion {
  /** A flow document of this host; null where something of it cannot be read. */
  readonly document: JsonObject | null;
  /** What cannot be read, or gives less than its author meant, one sentence each. */
  readonly remarks: readonly string[];
}

const MAX_NODES = 400;
const MAX_REMARKS = 20;
/** Ids of nodes are longer here. */
const MAX_NODE_TOKEN = 48;
/** What this host reads of a flow's text. */
const MAX_DOCUMENT_CHARACTERS = 256 * 1024;

/**
 * Turns a flow of the field into one of this host: a node that calls a component of the same pack into an `event` node,
 * `emit.*` into a `transform`, a choice of routes into a `branch` behind its node. A flow is converted whole or not at
 * all, so that none is half run.
 */
export function convertFlow(flow: FieldFlow, names: FlowNames): FlowConversion {
  if (flow.fault !== undefined) return { document: null, remarks: [flow.fault] };
  if (flow.nodes.length === 0) return { document: null, remarks: ['It holds no nodes.'] };
  if (flow.nodes.length > MAX_NODES) {
    return { document: null, remarks: [`It has ${flow.nodes.length} nodes; at most ${MAX_NODES} are read.`] };
  }
  const conversion = new Conversion(flow, names);
  return conversion.run();
}

class Conversion {
  readonly #flow: FieldFlow;
  readonly #names: FlowNames;
  readonly #tokens: TokenSet;
  readonly #ids = new Map<string, string>();
  readonly #faults: string[] = [];
  readonly #notes: string[] = [];

  constructor(flow: FieldFlow, names: FlowNames) {
    this.#flow = flow;
    this.#names = names;
    this.#tokens = new TokenSet(MAX_NODE_TOKEN, ['constructor', 'prototype', 'respond', 'end']);
    for (const { id } of flow.nodes) {
      if (this.#ids.has(id)) this.#faults.push(`Two nodes are called ${JSON.stringify(shown(id))}.`);
      // An id begins with a letter here.
      this.#ids.set(id, this.#tokens.take(/^[^a-z]/i.test(id) ? `n-${id}` : id));
    }
  }

  run(): FlowConversion {
    const starts = this.#starts();
    const nodes = new Map<string, readonly [JsonObject, Leads]>();
    for (const id of this.#reachable(starts.map(({ target }) => target))) {
      const node = this.#flow.nodes.find((each) => each.id === id);
      if (node === undefined) continue;
      const leads = this.#leads(node);
      nodes.set(id, [this.#node(node, leads), leads]);
    }
    const unreached = this.#flow.nodes.length - nodes.size;
    if (unreached > 0) this.#notes.push(`${unreached} of its nodes are reached from nowhere and left out.`);
    const document: JsonObject = {
      name: this.#names.name,
      version: this.#names.version,
      nodes: [...nodes].flatMap(([id, [node, leads]]) => this.#written(this.#ids.get(id) ?? '', node, leads)),
      triggers: starts.map(({ eventType, target }) => ({
        type: 'event',
        event_type: eventType,
        target: this.#ids.get(target) ?? '',
      })),
    };
    if (JSON.stringify(document, null, 2).length > MAX_DOCUMENT_CHARACTERS) {
      this.#faults.push('It is longer than this host reads.');
    }
    return this.#faults.length > 0
      ? { document: null, remarks: this.#faults.slice(0, MAX_REMARKS) }
      : { document, remarks: this.#notes.slice(0, MAX_REMARKS) };
  }

  /** The default entrypoint is started by the flow's event type, another one by that type and its name. */
  #starts(): { readonly eventType: string; readonly target: string }[] {
    const [first] = this.#flow.nodes;
    const given = this.#flow.entrypoints;
    const entrypoints = given.length === 0 && first !== undefined ? [['default', first.id] as const] : given;
    const tokens = new TokenSet(32, ['result']);
    return entrypoints.flatMap(([name, target]) => {
      if (!this.#ids.has(target)) {
        this.#faults.push(
          `Its entrypoint ${JSON.stringify(shown(name))} names ${JSON.stringify(shown(target))}, which is no node.`,
        );
        return [];
      }
      const { eventType } = this.#names;
      return [{ eventType: name === 'default' ? eventType : `${eventType}.${tokens.take(name)}`, target }];
    });
  }

  #reachable(starts: readonly string[]): Set<string> {
    const reached = new Set<string>();
    const open = [...starts];
    const byId = new Map(this.#flow.nodes.map((node) => [node.id, node]));
    for (let id = open.pop(); id !== undefined; id = open.pop()) {
      const node = byId.get(id);
      if (node === undefined || reached.has(id)) continue;
      reached.add(id);
      leadsOf(node.routing, (to) => {
        open.push(to);
        return to;
      });
    }
    return reached;
  }

  #leads(node: FieldNode): Leads {
    const leads = leadsOf(node.routing, (to) => this.#ids.get(to));
    if (leads.kind === 'fault') this.#fault(node, leads.fault);
    return leads;
  }

  /** A node, and the branch behind it where it has a choice. */
  #written(id: string, node: JsonObject, leads: Leads): JsonObject[] {
    if (leads.kind !== 'branch')
      return [{ id, ...node, ...(leads.kind === 'next' ? { next: leads.target } : {}) }];
    const branch = this.#tokens.take(`${id}-route`);
    return [
      { id, ...node, next: branch },
      { id: branch, type: 'branch', config: leads.config },
    ];
  }

  /** Type and config of the node that stands for it. */
  #node(node: FieldNode, leads: Leads): JsonObject {
    const { input, component, operation } = node;
    if (node.packAlias !== null)
      this.#fault(node, `calls a component of the pack ${shown(node.packAlias, 80)}`);
    if (node.mapsOutput) this.#fault(node, 'maps its output or its errors, which this host does not');
    if (input === undefined) {
      this.#fault(node, 'is given what is no JSON');
      return {};
    }
    const fields = isFieldMap(input) ? (input as JsonObject) : {};
    const target = this.#targetOf(component, operation, fields);
    const emits = [target.component, target.operation].some((name) => name?.startsWith('emit.') === true);
    if (emits) {
      const isLast = leads.kind === 'next' && (leads.target === 'end' || leads.target === 'respond');
      if (!isLast) {
        this.#note(node, 'emits before the end; here its output goes on to the next node and nowhere else');
      }
      return {
        type: 'transform',
        config: { value: this.#templates(node, fields.input ?? fields.payload ?? input) },
      };
    }
    const provider = this.#names.providerOf(target.component);
    if (provider === undefined) {
      this.#fault(node, `calls ${shown(target.component, 120)}, which is no component of the pack`);
      return {};
    }
    if (target.operation === null) {
      this.#fault(node, `does not say which operation of ${shown(target.component, 120)} it calls`);
      return {};
    }
    const given = this.#templates(node, target.input ?? input);
    if (!isFieldMap(given)) {
      this.#fault(node, 'gives its component what is no map, which an event node cannot');
      return {};
    }
    const kept = ['provider', 'action'].find((key) => Object.hasOwn(given, key));
    if (kept !== undefined)
      this.#fault(node, `gives its component the field ${kept}, which an event node keeps for itself`);
    return { type: 'event', config: { ...(given as JsonObject), provider, action: target.operation } };
  }

  /** Which component and operation a node means, and with which part of its input. */
  #targetOf(
    component: string,
    operation: string | null,
    fields: JsonObject,
  ): { readonly component: string; readonly operation: string | null; readonly input?: Json } {
    const named = textOf(fields.operation) ?? textOf(fields.op) ?? null;
    if (component === 'component.exec' || operation === 'component.exec') {
      const own = operation === 'component.exec' ? null : operation;
      const target = textOf(fields.component) ?? textOf(fields.component_ref) ?? component;
      return {
        component: own?.startsWith('emit.') === true ? own : target,
        operation: own ?? named,
        input: execInput(fields),
      };
    }
    const isKnown = this.#names.providerOf(component) !== undefined;
    if (operation === null && !isKnown && !component.startsWith('emit.')) {
      // Some builders join the two.
      const dot = component.lastIndexOf('.');
      if (this.#names.providerOf(component.slice(0, Math.max(dot, 0))) !== undefined) {
        return {
          component: component.slice(0, dot),
          operation: component.slice(dot + 1),
          ...wrappedInput(fields),
        };
      }
    }
    return { component, operation: operation ?? named, ...wrappedInput(fields) };
  }

  #templates(node: FieldNode, value: Json): Json {
    const templates = new FieldTemplates((id) => this.#ids.get(id));
    const converted = templates.convert(value);
    for (const fault of templates.faults) this.#fault(node, fault);
    for (const note of templates.notes) this.#note(node, note);
    return converted;
  }

  #fault({ id }: FieldNode, clause: string): void {
    this.#faults.push(`Its node ${JSON.stringify(shown(id, 80))} ${clause}.`);
  }

  #note({ id }: FieldNode, clause: string): void {
    this.#notes.push(`Its node ${JSON.stringify(shown(id, 80))} ${clause}.`);
  }
}

const CALL_KEYS: ReadonlySet<string> = new Set(['operation', 'op', 'component', 'component_ref']);

/** What the nodes `component.exec` give their component: `input`, or else whatever does not say whom they call. */
function execInput(fields: JsonObject): Json {
  if (Object.hasOwn(fields, 'input')) return withConfig(fields);
  return Object.fromEntries(Object.entries(fields).filter(([key]) => !CALL_KEYS.has(key)));
}

/** Where an input holds nothing but `input` besides whom it is for, that is what the component is given. */
function wrappedInput(fields: JsonObject): { readonly input?: Json } {
  if (!Object.hasOwn(fields, 'input')) return {};
  const others = Object.keys(fields).filter((key) => key !== 'input' && key !== 'config');
  return others.every((key) => CALL_KEYS.has(key)) ? { input: withConfig(fields) } : {};
}

/** A config that comes with an input stands in it here: a call has one value. */
function withConfig({ input = null, config = null }: JsonObject): Json {
  if (config === null || !isFieldMap(input) || Object.hasOwn(input, 'config')) return input;
  return { ...(input as JsonObject), config };
}

function textOf(value: Json | undefined): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined;
}
