import { GtpackError } from '../errors.ts';
import { MAX_REPLY_BYTES } from '../sandbox/plugin.ts';

/** Values of one reply; no bundle allows an event more. */
const MAX_VALUES = 1_000_000;

/** What is left of what JSON for one reply may hold. A component's lists are as long as its memory allows, and may share their items. */
export class JsonBudget {
  #values = MAX_VALUES;
  #characters = MAX_REPLY_BYTES;

  /** @throws GtpackError `guest_output_invalid` */
  take(values: number, characters = 0): void {
    this.#values -= values;
    this.#characters -= characters;
    if (this.#values >= 0 && this.#characters >= 0) return;
    throw new GtpackError(
      'guest_output_invalid',
      `The component returned more than ${MAX_VALUES} values, or texts of more than ${MAX_REPLY_BYTES} characters.`,
    );
  }
}
