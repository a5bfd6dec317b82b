import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { errorMessage, GtpackError } from '../errors.ts';
import { refusalOfConnection } from './refusal.ts';

const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
};

/** Errors before there is a request: written to the socket by hand. */
export function refuseConnection(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const { status, body } = refusalOfConnection(error.code);
  socket.end(
    `HTTP/1.1 ${status} ${REASONS[status] ?? 'Bad Request'}\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}

/** @returns the port. @throws GtpackError `listen_failed` */
export async function listen(app: FastifyInstance, host: string, port: number): Promise<number> {
  try {
    await app.listen({ host, port, backlog: 4096 });
  } catch (error) {
    await app.close();
    throw listenError(host, port, error);
  }
  const address = app.server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}

function listenError(host: string, port: number, cause: unknown): GtpackError {
  const code = (cause as NodeJS.ErrnoException).code;
  const cure = 'Choose another address: gtpack up --listen HOST:PORT.';
  switch (code) {
    case 'EADDRINUSE':
      return new GtpackError('listen_failed', `Port ${port} of ${host} is taken by another process.`, {
        cure: `Stop it, or choose another port: gtpack up --listen ${host}:${port + 1}.`,
        cause,
      });
    case 'EACCES':
      return new GtpackError('listen_failed', `This user may not listen on port ${port} of ${host}.`, {
        cure,
        cause,
      });
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new GtpackError('listen_failed', `${host} is no address of this machine.`, { cure, cause });
    default:
      return new GtpackError(
        'listen_failed',
        `Listening on ${host}:${port} failed: ${errorMessage(cause)}.`,
        {
          cure,
          cause,
        },
      );
  }
}

/** What a sender on this machine dials. */
export function urlOf(host: string, port: number): string {
  if (host === '0.0.0.0' || host === '::') return `http://localhost:${port}`;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
