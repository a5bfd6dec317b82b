import { describe, expect, test } from 'vitest';
import { scriptFlow, tenantsBundle, writeBundle } from './bundle.ts';
import { startHere } from './host-here.ts';
import { cellHosts, gtpack, isAlive, printed, startProcess, until } from './host-process.ts';
import { post, webhook } from './request.ts';
import { stored } from './store.ts';

const doubling = tenantsBundle({
  demo: { flows: { double: scriptFlow('double', '({ doubled: event.payload.n * 2 })') } },
});

describe('a webhook', () => {
  test('gets 202 with the id of its event in the body and in a header', async () => {
    const { url, bus } = await startHere(await writeBundle(doubling));
    const answer = await post(webhook(url, 'demo', 'order.created'), { n: 21 });
    const { id } = answer.json;
    expect(answer.status).toBe(202);
    expect(answer.json).toEqual({ id, ids: [id] });
    expect(answer.headers.get('gtpack-event-id')).toBe(id);
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    const result = await bus.result(id);
    expect(result).toMatchObject({ tenant: 'demo', type: 'order.created' });
    expect(result.json).toEqual({
      event_id: id,
      run_id: expect.stringMatching(/^[0-9a-f]+$/),
      flow: 'double',
      status: 'ok',
      output: { doubled: 42 },
      attempts: 1,
      duration_ms: expect.any(Number),
    });
  });

  test('whose host is killed right after the 202 is processed once after the restart, and its result is on the bus', async () => {
    const folder = await writeBundle(doubling);
    const first = await startProcess(folder);
    // The cell is warm, so that nothing but the kill stands between the event and its run.
    const warm = (await post(webhook(first.url, 'demo', 'order.created'), { n: 1 })).json.id;
    await first.bus.result(warm);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => post(webhook(first.url, 'demo', 'order.created'), { n })),
    );
    await first.kill();
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 202));
    const ids = answers.map(({ json }) => json.id as string);

    const second = await startHere(folder);
    // Some were finished before the kill. This event is taken after all that were left, and stopping waits for them.
    const last = (await post(webhook(second.url, 'demo', 'order.created'), { n: 2 })).json.id;
    await second.bus.result(last);
    await second.stop();
    const { results, events, pending } = stored(folder);
    const keys = [warm, ...ids, last].map((id) => `demo ${id}`);
    expect(new Set(events)).toEqual(new Set(keys));
    expect(results).toEqual(new Map(keys.map((key) => [key, 1])));
    expect(pending).toBe(0);
  });

  test('whose host is killed leaves no process of the host behind', async () => {
    const folder = await writeBundle(doubling);
    const { url, pid, bus, kill } = await startProcess(folder);
    await bus.result((await post(webhook(url, 'demo', 'a'), { n: 1 })).json.id);
    const children = cellHosts(pid);
    expect(children).toHaveLength(1);
    await kill();
    await until(() => !children.some(isAlive));
  });
});

describe('tail', () => {
  test('shows the event on its subject and the result on the subject that ends in .result', async () => {
    const folder = await writeBundle(doubling);
    const { url } = await startProcess(folder);
    const tail = gtpack(['tail', '--json', '--bundle', folder]);
    await printed(tail, /Watching/);
    const { id } = (await post(webhook(url, 'demo', 'order.created'), { n: 4 })).json;
    await printed(tail, /"kind":"result"/);
    const items = tail
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));
    expect(items).toEqual([
      {
        kind: 'event',
        subject: 'greentic.events.dev.demo.order.created',
        tenant: 'demo',
        type: 'order.created',
        event: expect.objectContaining({ id, event_type: 'order.created', payload: { n: 4 } }),
      },
      {
        kind: 'result',
        subject: 'greentic.events.dev.demo.order.created.result',
        tenant: 'demo',
        type: 'order.created',
        result: expect.objectContaining({ event_id: id, status: 'ok', output: { doubled: 8 } }),
      },
    ]);
  });
});
