import type { Json } from '../event/json.ts';
import { shown } from './field-manifest.ts';
import { type CelPlace, celExists, celValue, type FieldPath, parseFieldPath } from './field-path.ts';

/**
 * Templates of the field in this host's language. There, a text that is one `{{ path }}` stands for the value at that
 * path, and the run fails where there is none; in a longer text a missing value is nothing, and any other content of the
 * braces is Handlebars: blocks and helpers, which have no place in an expression.
 *
 * What a path begins with: `entry` and `in` are the payload of the event that started the run, `prev` is the output of
 * the node before, `node.ID` that of another, and `state` holds `entry`, `input` and `nodes.ID.payload`.
 */
export class FieldTemplates {
  readonly #stepOf: (node: string) => string | undefined;
  /** What cannot be turned into an expression, one clause each. */
  readonly faults: string[] = [];
  /** What can, and gives less than its author meant. */
  readonly notes: string[] = [];

  /** @param stepOf what the converted flow calls a node, by its id */
  constructor(stepOf: (node: string) => string | undefined) {
    this.#stepOf = stepOf;
  }

  convert(value: Json): Json {
    if (typeof value === 'string') return value.includes('{{') ? this.#text(value) : value;
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return value.map((item: Json) => this.convert(item));
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, this.convert(item)]));
  }

  /** @returns where an expression finds what a path names, or undefined where nothing has that name */
  placeOf(path: FieldPath): CelPlace | undefined {
    const [root, ...rest] = path;
    switch (root) {
      case 'this':
        return this.placeOf(rest);
      case 'entry':
      case 'in':
        return { root: 'event.payload', path: rest };
      case 'prev':
        return { root: 'input', path: rest };
      case 'node':
        return this.#step(rest);
      case 'state':
        return this.#state(rest);
      default:
        return undefined;
    }
  }

  #state([part, ...rest]: FieldPath): CelPlace | undefined {
    if (part === 'entry' || part === 'input') return { root: 'event.payload', path: rest };
    const [id, field, ...inner] = rest;
    return part === 'nodes' && id !== undefined && field === 'payload'
      ? this.#step([id, ...inner])
      : undefined;
  }

  #step([id, ...path]: FieldPath): CelPlace | undefined {
    const step = typeof id === 'string' ? this.#stepOf(id) : undefined;
    return step === undefined ? undefined : { root: `steps[${JSON.stringify(step)}]`, path };
  }

  #text(text: string): Json {
    const [, only] = /^\s*\{{2,3}([^{}]*)\}{2,3}\s*$/.exec(text) ?? [];
    if (only !== undefined) {
      const place = this.#place(only);
      if (place !== undefined) return `{{ ${celValue(place)} }}`;
      this.faults.push(`has the template ${shown(text, 80)}, which names nothing that a run has here`);
      return text;
    }
    const pieces = text.split(/(\{{2,3}[^{}]*\}{2,3})/);
    return pieces
      .map((piece, index) => (index % 2 === 0 ? this.#literal(piece) : this.#inserted(piece)))
      .join('');
  }

  #literal(text: string): string {
    if (text.includes('{{') || text.endsWith('\\')) {
      this.faults.push(`has the text ${shown(text, 80)}, whose braces this host cannot read`);
    }
    return text;
  }

  #inserted(braced: string): string {
    const content = braced.replace(/^\{+|\}+$/g, '').trim();
    const path = parseFieldPath(content);
    if (path === undefined) {
      this.faults.push(`has the template ${shown(braced, 80)}, which is more than a path`);
      return '';
    }
    const place = this.#place(content);
    if (place !== undefined) return `{{ ${celExists(place)} ? ${celValue(place)} : "" }}`;
    this.notes.push(
      `has the template ${shown(braced, 80)}, which names nothing that a run has and is left empty`,
    );
    return '';
  }

  #place(content: string): CelPlace | undefined {
    const path = parseFieldPath(content.trim());
    return path === undefined ? undefined : this.placeOf(path);
  }
}
