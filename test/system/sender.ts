import { Agent, type IncomingMessage, request } from 'node:http';

/**
 * Run as a child: sends numbered events to a webhook, all at once, over at most so many connections, and prints what
 * came of each as a line of JSON.
 */
const [url, total, connections] = process.argv.slice(2);
if (url === undefined) throw new Error('usage: sender.ts URL TOTAL CONNECTIONS');

export interface Sent {
  readonly n: number;
  /** 0 where no answer came. */
  readonly status: number;
  readonly retryAfter?: string | undefined;
  readonly body: string;
}

const agent = new Agent({ keepAlive: true, maxSockets: Number(connections) });
const lines = await Promise.all(Array.from({ length: Number(total) }, (_, n) => send(url, n)));
agent.destroy();
process.stdout.write(`${lines.map((line) => JSON.stringify(line)).join('\n')}\n`);

function send(target: string, n: number): Promise<Sent> {
  return new Promise((resolve) => {
    const failed = (error: NodeJS.ErrnoException): void =>
      resolve({ n, status: 0, body: `${error.code}: ${error.message}` });
    const headers = { 'content-type': 'application/json' };
    const sending = request(target, { method: 'POST', agent, headers }, (response: IncomingMessage) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('error', failed);
      response.on('end', () =>
        resolve({ n, status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'], body }),
      );
    });
    sending.on('error', failed);
    sending.end(JSON.stringify({ n }));
  });
}
