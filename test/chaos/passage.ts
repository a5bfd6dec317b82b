import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** A way to a server that can be cut without either side noticing: nothing is closed, nothing arrives. */
export class Passage {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isCut = false;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  static async start(targetPort: number): Promise<Passage> {
    const server = createServer({ allowHalfOpen: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const passage = new Passage(server, (server.address() as AddressInfo).port);
    server.on('connection', (client) => {
      const upstream = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true });
      passage.#join(client, upstream);
      passage.#join(upstream, client);
    });
    return passage;
  }

  /** From now on every byte is lost, both ways, those of new connections, too. */
  cut(): void {
    this.#isCut = true;
  }

  /** Lets new connections through; those that lost bytes are reset. */
  heal(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
    this.#isCut = false;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.on('data', (chunk) => {
      if (!this.#isCut) to.write(chunk);
    });
    from.on('end', () => {
      if (!this.#isCut) to.end();
    });
    from.on('error', () => undefined);
    from.on('close', () => {
      this.#sockets.delete(from);
      if (!this.#isCut) to.destroy();
    });
  }
}
