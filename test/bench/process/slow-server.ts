import { createServer, type Server, type Socket } from 'node:net';
import { answerCalls } from '../child.ts';

const BODY = '{"ok":true}';
const ANSWER = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}`;

let server: Server | undefined;
const sockets = new Set<Socket>();

/** Answers every request after so many milliseconds. No more of HTTP than that: its own work is on nobody's account. */
const handlers = {
  /** @returns the port, on loopback */
  start(afterMs: number): Promise<number> {
    const started = createServer({ noDelay: true }, (socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      socket.on('error', () => undefined);
      // A request without a body comes in one piece.
      socket.on('data', () => setTimeout(() => socket.write(ANSWER), afterMs));
    });
    server = started;
    return new Promise((resolve, reject) => {
      started.once('error', reject);
      started.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => {
        const address = started.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
  },
};

export type SlowServerProcess = typeof handlers;

answerCalls(handlers, () => {
  server?.close();
  for (const socket of sockets) socket.destroy();
});
