import { createInterface, type Interface } from 'node:readline';
import { plain } from './output.ts';
import type { CliWorld } from './world.ts';

/** Asks on stderr and reads answers from stdin, one line each. The end of stdin answers everything that is still asked with nothing. */
export class Questions {
  readonly #world: CliWorld;
  readonly #lines: Interface;
  readonly #answers: AsyncIterator<string>;

  constructor(world: CliWorld) {
    this.#world = world;
    this.#lines = createInterface({ input: world.stdin });
    this.#answers = this.#lines[Symbol.asyncIterator]();
  }

  async ask(question: string): Promise<string> {
    this.#world.stderr.write(`${plain(question)} `);
    const answer = await this.#answers.next();
    return answer.done === true ? '' : answer.value.trim();
  }

  /** Whether the answer is yes; nothing but `y` and `yes` is. */
  async confirm(question: string): Promise<boolean> {
    return isYes(await this.ask(`${question} [y/N]`));
  }

  [Symbol.dispose](): void {
    this.#lines.close();
  }
}

export function isYes(answer: string): boolean {
  return /^y(?:es)?$/i.test(answer);
}
