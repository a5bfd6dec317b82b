import type { FastifyReply } from 'fastify';
import { Script } from './script.ts';
import { type Fake, fakeServer, openFake } from './server.ts';

export interface WarehouseOptions {
  readonly port?: number;
  /** Hears of every order that was set aside. */
  readonly onOrder?: (order: SetAside) => void;
}

export interface SetAside {
  readonly order: string;
  readonly total: number;
  readonly reservation: number;
}

/** A shop's warehouse: sets orders aside, and refuses them while it is closed. */
export interface FakeWarehouse extends Fake {
  readonly orders: readonly SetAside[];
}

export async function openWarehouse({ port, onOrder }: WarehouseOptions = {}): Promise<FakeWarehouse> {
  // By `Idempotency-Key`: an order that is sent again is set aside once.
  const taken = new Map<string, SetAside>();
  const orders: SetAside[] = [];
  const script = new Script();
  let isOpen = true;
  const app = fakeServer({ maxBodyBytes: 100_000 });
  const send = (reply: FastifyReply, status: number, body: unknown): FastifyReply =>
    reply.code(status).header('content-type', 'application/json').send(JSON.stringify(body));

  app.post('/orders', async (request, reply) => {
    if (await script.take(reply)) return reply;
    if (!isOpen) return send(reply, 409, { error: 'The warehouse is closed for stocktaking.' });
    const key = String(request.headers['idempotency-key']);
    const { order, total } = JSON.parse(String(request.body)) as Omit<SetAside, 'reservation'>;
    const before = taken.get(key);
    if (before !== undefined) return send(reply, 200, before);
    const aside: SetAside = { order, total, reservation: 1000 + orders.length };
    taken.set(key, aside);
    orders.push(aside);
    onOrder?.(aside);
    return send(reply, 201, aside);
  });
  app.get('/report', (_request, reply) => {
    const total = orders.reduce((sum, order) => sum + order.total, 0);
    return send(reply, 200, { orders: orders.length, total });
  });
  for (const state of ['open', 'closed'] as const) {
    app.post(`/${state}`, (_request, reply) => {
      isOpen = state === 'open';
      return send(reply, 200, { warehouse: state });
    });
  }
  const fake = await openFake(app, script, port);
  return { ...fake, orders };
}
