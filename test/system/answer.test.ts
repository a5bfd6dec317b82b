import { describe, expect, test } from 'vitest';
import { flowOf, scriptFlow, tenantsBundle, writeBundle } from './bundle.ts';
import { startHere } from './host-here.ts';
import { post, webhook } from './request.ts';

const answering = flowOf('answering', [
  {
    id: 'answer',
    type: 'http_response',
    config: {
      status: '{{ event.payload.status }}',
      headers: { 'x-order': '{{ event.payload.order }}' },
      body: { order: '{{ event.payload.order }}' },
    },
  },
]);

/** A script of the given body before an `http_response`. */
const answerAfter = (script: string): string =>
  flowOf('after', [
    { id: 'first', type: 'script', config: { script }, next: 'answer' },
    { id: 'answer', type: 'http_response', config: { body: 'done' } },
  ]);

describe('the sender of a webhook', () => {
  test('gets what the flow’s http_response says: status, headers and body', async () => {
    const { url, bus } = await startHere(
      await writeBundle(tenantsBundle({ demo: { flows: { answering } } })),
    );
    const answer = await post(webhook(url, 'demo', 'order.created'), { status: 201, order: 'a-7' });
    expect(answer.status).toBe(201);
    expect(answer.json).toEqual({ order: 'a-7' });
    expect(answer.headers.get('x-order')).toBe('a-7');
    const id = answer.headers.get('gtpack-event-id') ?? '';
    expect((await bus.result(id)).json.status).toBe('ok');
  });

  test('gets 202 before any flow has run where no flow of the event answers', async () => {
    const { url, bus } = await startHere(
      await writeBundle(
        tenantsBundle({
          demo: {
            flows: {
              // This one never ends by itself, and the other one is not for this event.
              slow: scriptFlow('slow', 'while (true) {}', 'slow'),
              answering: answering.replace('">"', '"order.created"'),
            },
            limits: { cpu_slice: '60s', call_wall: '600s' },
          },
        }),
      ),
    );
    const answer = await post(webhook(url, 'demo', 'slow'), {});
    expect(answer.status).toBe(202);
    expect(bus.of('result')).toEqual([]);
  });

  test('gets 202 once the bound has passed where the flow is slower than that, and the flow goes on', async () => {
    const { url, bus } = await startHere(
      await writeBundle(
        tenantsBundle(
          {
            demo: {
              flows: { after: answerAfter('let n = 0; while (n < 500000) n += 1; n') },
              limits: { cpu_slice: '60s', call_wall: '600s' },
            },
          },
          { responseTimeout: '1ms' },
        ),
      ),
    );
    const answer = await post(webhook(url, 'demo', 'order.created'), {});
    expect(answer.status).toBe(202);
    expect((await bus.result(answer.json.id)).json).toMatchObject({ status: 'ok', flow: 'after' });
  });

  test('gets 500 where the flow’s cell had to be ended, as soon as nobody is left to answer, and the operator reads why', async () => {
    // A built-in function that asks nobody whether it should stop.
    const endless = 'Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)';
    const { url, bus, lines } = await startHere(
      await writeBundle(
        tenantsBundle({ demo: { flows: { after: answerAfter(endless) } } }, { responseTimeout: '600s' }),
      ),
    );
    const answer = await post(webhook(url, 'demo', 'order.created'), {});
    expect(answer.status).toBe(500);
    expect(answer.json.code).toBe('flow_failed');
    const id = answer.headers.get('gtpack-event-id') ?? '';
    const { reason } = (await bus.deadLetter(id)).json;
    expect(reason).toContain('guest_timeout');
    expect(lines.map(({ message }) => message)).toContain(
      `The event ${id} is in the dead letters: ${reason}`,
    );
  });

  test('learns that the flow failed, and nothing of its inside', async () => {
    const { url, bus } = await startHere(
      await writeBundle(
        tenantsBundle({ demo: { flows: { after: answerAfter('throw new Error("the password is 1234")') } } }),
      ),
    );
    const answer = await post(webhook(url, 'demo', 'order.created'), {});
    expect(answer.status).toBe(500);
    expect(answer.json).toEqual({ code: 'flow_failed', message: expect.any(String) });
    expect(answer.text).not.toContain('1234');
    const id = answer.headers.get('gtpack-event-id') ?? '';
    expect((await bus.deadLetter(id)).json.reason).toContain('the password is 1234');
  });
});

describe('an idempotency key', () => {
  test('that comes twice is processed once, and the second sender learns that it is a duplicate', async () => {
    const { url, bus } = await startHere(
      await writeBundle(tenantsBundle({ demo: { flows: { once: scriptFlow('once', 'event.payload.n') } } })),
    );
    const send = (n: number): ReturnType<typeof post> =>
      post(webhook(url, 'demo', 'order.created'), { n }, { 'idempotency-key': 'order-42' });
    const first = await send(1);
    const second = await send(2);
    expect(first.json.duplicate).toBeUndefined();
    expect(second.status).toBe(202);
    expect(second.json).toEqual({ id: first.json.id, ids: [first.json.id], duplicate: true });
    const last = await post(webhook(url, 'demo', 'order.created'), { n: 3 });
    await bus.results([first.json.id, last.json.id]);
    expect(bus.of('event').map(({ json }) => json.payload.n)).toEqual([1, 3]);
    expect(bus.of('result').map(({ json }) => json.output)).toEqual([1, 3]);
  });

  test('that a hundred senders use at once is processed once', async () => {
    const { url, bus } = await startHere(
      await writeBundle(tenantsBundle({ demo: { flows: { once: scriptFlow('once', 'event.payload.n') } } })),
    );
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, n) =>
        post(webhook(url, 'demo', 'order.created'), { n }, { 'idempotency-key': 'k' }),
      ),
    );
    expect(answers.filter(({ json }) => json.duplicate !== true)).toHaveLength(1);
    expect(new Set(answers.map(({ json }) => json.id)).size).toBe(1);
    const last = await post(webhook(url, 'demo', 'order.created'), { n: 'last' });
    await bus.results([last.json.id, answers[0]?.json.id]);
    expect(bus.of('result')).toHaveLength(2);
  });
});
