import type { AddressInfo } from 'node:net';
import Fastify, { type FastifyInstance } from 'fastify';
import type { Script } from './script.ts';

/** A small real server on loopback that behaves as a vendor's API does. */
export interface Fake {
  /** Without a slash at the end. */
  readonly url: string;
  readonly script: Script;
  /** Frees the port. @throws Error if a step of the script was never reached: what was to be tried was not */
  close(): Promise<void>;
}

export interface FakeOptions {
  /** Default: any free one. */
  readonly port?: number;
  readonly maxBodyBytes: number;
}

/** A server whose bodies arrive as text, whatever their type. */
export function fakeServer({ maxBodyBytes }: Pick<FakeOptions, 'maxBodyBytes'>): FastifyInstance {
  const app = Fastify({ logger: false, bodyLimit: maxBodyBytes, forceCloseConnections: true });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  return app;
}

export async function openFake(app: FastifyInstance, script: Script, port = 0): Promise<Fake> {
  await app.listen({ host: '127.0.0.1', port });
  const address = app.server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${address.port}`,
    script,
    close: async () => {
      await app.close();
      if (script.left > 0) throw new Error(`${script.left} steps of the fake's script were never reached.`);
    },
  };
}

/** What whoever was called back answered. */
export interface Reception {
  readonly status: number;
  readonly body: string;
  readonly contentType: string | null;
}

export async function postTo(
  url: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Readonly<Record<string, string>>,
): Promise<Reception> {
  const response = await fetch(url, { method: 'POST', headers, body, redirect: 'manual' });
  return {
    status: response.status,
    body: await response.text(),
    contentType: response.headers.get('content-type'),
  };
}
