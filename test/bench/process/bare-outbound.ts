import { Agent, request } from 'undici';
import { answerCalls } from '../child.ts';

const agent = new Agent({ connections: null, pipelining: 1 });

/** What one would write by hand: undici alone, with a connection a call. */
const handlers = {
  /** @returns milliseconds until all of so many calls at once are answered */
  async burst({ url, calls }: { url: string; calls: number }): Promise<number> {
    const startedAt = performance.now();
    const call = async (): Promise<void> => {
      const { statusCode, body } = await request(url, { dispatcher: agent });
      await body.text();
      if (statusCode !== 200) throw new Error(`status ${statusCode}`);
    };
    await Promise.all(Array.from({ length: calls }, call));
    return performance.now() - startedAt;
  },
};

export type BareOutboundProcess = typeof handlers;

answerCalls(handlers, () => agent.close());
