import { describe, expect, test } from 'vitest';
import { flowOf, scriptFlow, tenantsBundle, writeBundle } from './bundle.ts';
import { startHere } from './host-here.ts';
import { startProcess } from './host-process.ts';
import { post, webhook } from './request.ts';

const tenants = tenantsBundle({
  red: { flows: { note: scriptFlow('note', '({ red: event.payload })') } },
  blue: {
    flows: {
      note: scriptFlow('note', '({ blue: event.payload })'),
      answer: flowOf('answer', [{ id: 'a', type: 'http_response', config: { body: 'from blue' } }], 'ask'),
      // An event of its own, whose type the other tenant's flow would take as well.
      again: flowOf(
        'again',
        [{ id: 'p', type: 'publish', config: { event_type: 'told', payload: '{{ event.payload }}' } }],
        'tell',
      ),
    },
  },
});

describe('two tenants', () => {
  test('see only their own events, results and answers', async () => {
    const { url, bus } = await startHere(await writeBundle(tenants));
    const red = await post(webhook(url, 'red', 'ask'), 'r');
    const blue = await post(webhook(url, 'blue', 'ask'), 'b');
    expect([red.status, blue.status, blue.text]).toEqual([202, 200, 'from blue']);
    const told = await post(webhook(url, 'blue', 'tell'), 't');
    const published = await bus.until((seen) =>
      seen.find(({ kind, type }) => kind === 'event' && type === 'told'),
    );
    await bus.results([red.json.id, told.json.id, published.json.id]);
    await bus.until((seen) => (seen.filter(({ kind }) => kind === 'result').length === 6 ? true : undefined));
    const outputs = (tenant: string): unknown[] =>
      bus
        .of('result', tenant)
        .filter(({ json }) => json.flow === 'note')
        .map(({ json }) => json.output);
    expect(outputs('red')).toEqual([{ red: 'r' }]);
    expect(outputs('blue')).toEqual([{ blue: 'b' }, { blue: 't' }, { blue: 't' }]);
    expect(bus.of('event', 'red').map(({ type }) => type)).toEqual(['ask']);
    expect(bus.of('event', 'blue').map(({ type }) => type)).toEqual(['ask', 'tell', 'told']);
  });

  test('may use the same ids: the one’s are no duplicates of the other’s', async () => {
    const { url, bus } = await startHere(await writeBundle(tenants));
    const key = { 'idempotency-key': 'order-1' };
    const red = await post(webhook(url, 'red', 'order.created'), 1, key);
    const blue = await post(webhook(url, 'blue', 'order.created'), 2, key);
    expect(red.json).toEqual(blue.json);
    expect(red.json.duplicate).toBeUndefined();
    const inRed = await bus.result(red.json.id, 'red');
    const inBlue = await bus.result(blue.json.id, 'blue');
    expect(inRed.json.output).toEqual({ red: 1 });
    expect(inBlue.json.output).toEqual({ blue: 2 });
    expect(inRed.json.run_id).not.toBe(inBlue.json.run_id);
  });

  test('are told apart by a tail of one of them', async () => {
    const folder = await writeBundle(tenants);
    const { url, control, bus } = await startProcess(folder);
    const heard: string[] = [];
    const tail = control.tail('blue')[Symbol.asyncIterator]();
    const hearing = (async () => {
      while (heard.length < 4) heard.push(JSON.parse((await tail.next()).value).tenant);
    })();
    // What is sent first may pass before the tail is there.
    while (heard.length < 4) {
      const sent: string[] = [];
      for (const tenant of ['red', 'blue']) sent.push((await post(webhook(url, tenant, 'a'), 1)).json.id);
      await bus.results(sent);
    }
    await hearing;
    expect(heard).toEqual(['blue', 'blue', 'blue', 'blue']);
  });
});
