import { once } from 'node:events';
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
} from 'node:http';
import { createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';
import { afterEach } from 'vitest';
import { HttpCapability, type HttpCapabilityOptions } from '../../../host/capability/http.ts';
import { GtpackError } from '../../../host/errors.ts';
import { parseTenantId } from '../../../host/event/names.ts';
import { NO_GRANTS } from '../../../host/grant/grants.ts';
import { type HttpGrant, httpGrantShape, parseHttpGrant } from '../../../host/grant/http-grant.ts';

/** Real servers on loopback, and a capability to reach them; all of them are gone after each test. */

export interface Outside {
  readonly port: number;
  /** `http://127.0.0.1:PORT`. */
  readonly origin: string;
  /** Connections that were accepted so far. */
  readonly accepted: () => number;
}

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

export async function outside(server: Server | TcpServer, host = '127.0.0.1'): Promise<Outside> {
  const sockets = new Set<Socket>();
  let accepted = 0;
  server.on('connection', (socket: Socket) => {
    accepted += 1;
    sockets.add(socket);
    socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
  });
  server.listen(0, host);
  await once(server, 'listening');
  closers.push(async () => {
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { port, origin: `http://${host}:${port}`, accepted: () => accepted };
}

export const http = (listener: RequestListener): Promise<Outside> => outside(createHttpServer(listener));

/** Says whatever it likes, once something came in. */
export const raw = (talk: (socket: Socket) => void): Promise<Outside> =>
  outside(createTcpServer((socket) => socket.once('data', () => talk(socket))));

/** Writes pieces for as long as the connection lasts and takes them. */
export function forever(socket: Socket, piece: string | Buffer): void {
  const write = () => {
    while (!socket.destroyed && socket.write(piece));
  };
  socket.on('drain', write);
  write();
}

export async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request) body += String(chunk);
  return body;
}

export function open(options: HttpCapabilityOptions = {}): HttpCapability {
  const capability = new HttpCapability({
    resolve: async (hostname) => {
      throw Object.assign(new Error(`nobody knows ${hostname}`), { code: 'ENOTFOUND' });
    },
    ...options,
  });
  closers.push(() => capability.close());
  return capability;
}

export const grant = (written: object): HttpGrant => parseHttpGrant(httpGrantShape.parse(written));

/** To every port of loopback over plain HTTP, by the names that the test resolves, too. */
export const local = (more: object = {}): HttpGrant =>
  grant({
    hosts: ['http://127.0.0.1:*', 'http://*.test:*'],
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'],
    networks: ['127.0.0.0/8'],
    ...more,
  });

export interface Sent {
  readonly status: number;
  readonly headers: { readonly [name: string]: string };
  readonly body: string;
  readonly body_encoding: string;
}

export interface Caller {
  readonly tenant?: string;
  readonly source?: string;
  readonly signal?: AbortSignal;
  readonly key?: string;
}

export async function sendText(
  capability: HttpCapability,
  allowed: HttpGrant | null,
  text: string,
  { tenant = 'demo', source = 'shop', signal = new AbortController().signal, key }: Caller = {},
): Promise<Sent> {
  const answer = await capability.perform({
    tenant: parseTenantId(tenant),
    source,
    grants: { ...NO_GRANTS, http: allowed },
    fn: 'send',
    args: [text],
    events: [],
    journal: [],
    key,
    signal,
    reaches: () => undefined,
  });
  if (answer.kind === 'problem') throw new Error(answer.problem.message);
  return JSON.parse(answer.json) as Sent;
}

export const send = (
  capability: HttpCapability,
  allowed: HttpGrant | null,
  request: object,
  caller: Caller = {},
): Promise<Sent> => sendText(capability, allowed, JSON.stringify(request), caller);

/** The error that the work fails with. */
export async function refusal(work: Promise<unknown>): Promise<GtpackError> {
  const result = await work.then(
    (value) => value,
    (error: unknown) => error,
  );
  if (result instanceof GtpackError) return result;
  throw new Error(`A GtpackError was expected; ${String(result)} came: ${JSON.stringify(result)}`);
}
