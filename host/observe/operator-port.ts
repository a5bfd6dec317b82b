import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { errorMessage, GtpackError } from '../errors.ts';

export interface OperatorPortOptions {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  /** Why the host takes no new work now; null where it does. A rejection is such a reason. */
  readonly notReady: () => Promise<string | null>;
  readonly metrics: () => Promise<string>;
}

export interface OperatorPort {
  /** Without a slash at the end. */
  readonly url: string;
  close(): Promise<void>;
}

/** Probes and scrapers are few. */
const MAX_CONNECTIONS = 64;
const TIMEOUT_MS = 10_000;
const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * The operator's own port, apart from that of senders: `/livez`, `/readyz` and `/metrics`. It has no authentication.
 * @throws GtpackError `listen_failed`
 */
export async function openOperatorPort(options: OperatorPortOptions): Promise<OperatorPort> {
  const server = createServer(
    { headersTimeout: TIMEOUT_MS, requestTimeout: TIMEOUT_MS, maxHeaderSize: 16 * 1024 },
    (request, response) => {
      request.resume();
      void answer(request, options).then((reply) => send(response, reply));
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  const { host } = options;
  const port = await listen(server, host, options.port);
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Reply {
  readonly status: number;
  readonly type?: string;
  readonly text: string;
}

/** Never rejects. */
async function answer(request: IncomingMessage, options: OperatorPortOptions): Promise<Reply> {
  if (request.method !== 'GET') return { status: 405, text: 'GET is all that is answered here.\n' };
  try {
    switch (request.url?.split('?')[0]) {
      case '/livez':
        return { status: 200, text: 'ok\n' };
      case '/readyz': {
        const reason = await options.notReady();
        return reason === null ? { status: 200, text: 'ok\n' } : { status: 503, text: `${reason}\n` };
      }
      case '/metrics':
        return { status: 200, type: METRICS_TYPE, text: await options.metrics() };
      default:
        return { status: 404, text: '/livez, /readyz and /metrics are all that is here.\n' };
    }
  } catch (error) {
    return { status: 503, text: `${errorMessage(error)}\n` };
  }
}

function send(response: ServerResponse, { status, type, text }: Reply): void {
  response.writeHead(status, {
    'content-type': type ?? 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  });
  response.end(text);
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port }, () => {
        server.removeListener('error', reject);
        resolve();
      });
    });
  } catch (error) {
    throw new GtpackError('listen_failed', `The operator's port ${host}:${port}: ${errorMessage(error)}.`, {
      cure: 'Choose another address: `operator.listen` in the bundle.',
      cause: error,
    });
  }
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}
