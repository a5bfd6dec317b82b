import type { FastifyReply } from 'fastify';

/** What a fake does with one request instead of serving it. */
type Step =
  | { readonly kind: 'answer'; readonly answer: ScriptedAnswer }
  | { readonly kind: 'drop' }
  | { readonly kind: 'hold'; readonly released: Promise<void> };

export interface ScriptedAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON, or a text as it is. */
  readonly body?: unknown;
}

/** What a fake does with the requests to come, in turn; those after that are served as the vendor would. */
export class Script {
  readonly #steps: Step[] = [];

  /** The next request gets this answer, and nothing comes of it. */
  answer(answer: ScriptedAnswer, times = 1): void {
    for (let time = 0; time < times; time += 1) this.#steps.push({ kind: 'answer', answer });
  }

  /** The connection of the next request is cut before there is an answer. */
  drop(): void {
    this.#steps.push({ kind: 'drop' });
  }

  /** The next request is served only once the function that this returns was called: a vendor that is slow. */
  hold(): () => void {
    let release = (): void => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.#steps.push({ kind: 'hold', released });
    return release;
  }

  /** Steps that no request has come for. */
  get left(): number {
    return this.#steps.length;
  }

  /** @returns whether the request was dealt with; if not, it is to be served */
  async take(reply: FastifyReply): Promise<boolean> {
    const step = this.#steps.shift();
    switch (step?.kind) {
      case undefined:
        return false;
      case 'hold':
        await step.released;
        return false;
      case 'drop':
        reply.hijack();
        reply.raw.destroy();
        return true;
      case 'answer': {
        const { status, headers = {}, body = '' } = step.answer;
        const text = typeof body === 'string' ? body : JSON.stringify(body);
        await reply
          .code(status)
          .headers({ 'content-type': 'application/json', ...headers })
          .send(text);
        return true;
      }
    }
  }
}
