import { inspect } from 'node:util';

/**
 * A secret of a tenant, read once at the start. Whatever prints or serializes it gets its name in place of its value;
 * only `reveal` gives the value, so that each use of one is found by that word.
 */
export class Secret {
  readonly name: string;
  readonly #value: string;

  constructor(name: string, value: string) {
    this.name = name;
    this.#value = value;
  }

  /** The value, for what is sent or handed over at once. It is not to be kept. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return `[secret ${this.name}]`;
  }

  toJSON(): string {
    return this.toString();
  }

  [Symbol.toPrimitive](): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return this.toString();
  }
}

/** The secrets of one tenant, by name. */
export type Secrets = ReadonlyMap<string, Secret>;
