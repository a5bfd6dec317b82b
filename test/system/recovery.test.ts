import { describe, expect, test } from 'vitest';
import { flowOf, scriptFlow, tenantsBundle, writeBundle } from './bundle.ts';
import { startHere } from './host-here.ts';
import { cellHosts, isAlive, startProcess, until } from './host-process.ts';
import { type Answer, post, webhook } from './request.ts';
import { type Stored, stored } from './store.ts';

/** Slow enough that many of them are under way at a time, and quick enough for any machine. */
const WORK = 'let n = 0; while (n < 150000) n += 1; event.payload.n';
const working = tenantsBundle({
  demo: { flows: { work: scriptFlow('work', WORK) }, limits: { cpu_slice: '60s', call_wall: '600s' } },
});

const sendMany = (url: string, count: number, type = 'order.created'): Promise<Answer[]> =>
  Promise.all(Array.from({ length: count }, (_, n) => post(webhook(url, 'demo', type), { n })));

/** What was accepted has one result each, and nothing else is there. */
function expectEachOnce(
  { events, results, pending, deadLetters }: Stored,
  accepted: readonly string[],
): void {
  const keys = accepted.map((id) => `demo ${id}`);
  expect(new Set(events)).toEqual(new Set(keys));
  expect(results).toEqual(new Map(keys.map((key) => [key, 1])));
  expect({ pending, deadLetters }).toEqual({ pending: 0, deadLetters: [] });
}

/** Ids of those that were accepted; all others were asked to come again. */
function acceptedIds(answers: readonly Answer[]): string[] {
  return answers.flatMap(({ status, json, headers }) => {
    if (status === 202) return [json.id as string];
    expect(status).toBe(503);
    expect(headers.get('retry-after')).toBe('1');
    return [];
  });
}

describe('a restart', () => {
  test('finishes what was under way when the host was stopped without grace', async () => {
    const folder = await writeBundle(working);
    const first = await startHere(folder);
    const ids = acceptedIds(await sendMany(first.url, 60));
    await first.stop(0);
    const left = stored(folder).pending;
    expect(left).toBeGreaterThan(0);
    expect(first.lines.map(({ message }) => message)).toContainEqual(
      expect.stringMatching(/^\d+ events in flight are handed back; they run again at the next start\.$/),
    );

    const second = await startHere(folder);
    await second.bus.until((seen) => (seen.length >= left ? true : undefined));
    await second.stop();
    expectEachOnce(stored(folder), ids);
  });

  test('finishes what was under way when the host was killed', async () => {
    const folder = await writeBundle(working);
    const first = await startProcess(folder);
    const answers = await sendMany(first.url, 60);
    await first.kill();
    const second = await startHere(folder);
    const last = (await post(webhook(second.url, 'demo', 'order.created'), { n: -1 })).json.id;
    await second.bus.result(last);
    await second.stop();
    expectEachOnce(stored(folder), [...acceptedIds(answers), last]);
  });
});

describe('a cell host that is killed', () => {
  test('takes its runs along for a moment only: each event has one result in the end', async () => {
    const folder = await writeBundle(working);
    const { url, bus, stop, lines } = await startHere(folder);
    const ids = acceptedIds(await sendMany(url, 60));
    const [cellHost] = cellHosts(process.pid);
    if (cellHost === undefined) throw new Error('There is no cell host.');
    process.kill(cellHost, 'SIGKILL');
    await bus.results(ids);
    // Another one has taken its place.
    expect(cellHosts(process.pid)).not.toContain(cellHost);
    expect(lines.map(({ message }) => message)).toContainEqual(
      expect.stringContaining('The cell was lost (crash): The cell host ended (SIGKILL).'),
    );
    await stop();
    expectEachOnce(stored(folder), ids);
    expect(bus.of('result').some(({ json }) => json.attempts > 1)).toBe(true);
  });

  test('while requests come in costs none that was accepted', async () => {
    const folder = await writeBundle(working);
    const { url, bus, stop } = await startHere(folder);
    await bus.results(acceptedIds(await sendMany(url, 1, 'warm')));
    const sending = sendMany(url, 60);
    for (const pid of cellHosts(process.pid)) process.kill(pid, 'SIGKILL');
    const ids = acceptedIds(await sending);
    await bus.results(ids);
    await stop();
    expectEachOnce(stored(folder), [
      ...ids,
      ...bus
        .of('event')
        .filter(({ type }) => type === 'warm')
        .map(({ json }) => json.id),
    ]);
  });

  test('while a webhook waits for its flow leaves the answer to the next attempt', async () => {
    const flow = flowOf('asked', [
      {
        id: 'slow',
        type: 'script',
        config: { script: 'let n = 0; while (n < 2000000) n += 1; n' },
        next: 'answer',
      },
      { id: 'answer', type: 'http_response', config: { body: 'here it is' } },
    ]);
    const folder = await writeBundle(
      tenantsBundle(
        { demo: { flows: { asked: flow }, limits: { cpu_slice: '60s', call_wall: '600s' } } },
        { responseTimeout: '600s' },
      ),
    );
    const { url, bus } = await startHere(folder);
    const asking = post(webhook(url, 'demo', 'ask'), {});
    await bus.until((seen) => seen.find(({ kind }) => kind === 'event'));
    for (const pid of cellHosts(process.pid)) process.kill(pid, 'SIGKILL');
    expect(await asking).toMatchObject({ status: 200, text: 'here it is' });
  });

  test('does not repeat an effect that was recorded', async () => {
    const flow = flowOf(
      'telling',
      [
        {
          id: 'tell',
          type: 'publish',
          config: { event_type: 'told', payload: '{{ event.payload }}' },
          next: 'work',
        },
        { id: 'work', type: 'script', config: { script: WORK } },
      ],
      'tell',
    );
    const folder = await writeBundle(
      tenantsBundle({
        demo: { flows: { telling: flow }, limits: { cpu_slice: '60s', call_wall: '600s' } },
      }),
    );
    const { url, bus, stop } = await startHere(folder);
    const ids = acceptedIds(await sendMany(url, 30, 'tell'));
    await bus.until((seen) => seen.find(({ type }) => type === 'told'));
    for (const pid of cellHosts(process.pid)) process.kill(pid, 'SIGKILL');
    await bus.results(ids);
    await stop();
    const told = bus.of('event').filter(({ type }) => type === 'told');
    expect(told).toHaveLength(ids.length);
    expect(new Set(told.map(({ json }) => json.metadata.causation_id))).toEqual(new Set(ids));
    expect(stored(folder).results.size).toBe(30);
  });
});

describe('stopping', () => {
  test('lets running work finish, frees the port and the bus, and leaves no process behind', async () => {
    const folder = await writeBundle(working);
    const first = await startProcess(folder);
    const answers = await sendMany(first.url, 60);
    const children = cellHosts(first.pid);
    expect(children).toHaveLength(1);
    expect(await first.terminate()).toBe(0);
    expect(children.filter(isAlive)).toEqual([]);
    expectEachOnce(stored(folder), acceptedIds(answers));
    await expect(post(webhook(first.url, 'demo', 'a'), {})).rejects.toThrow();

    // At once, on the same port, with the same bus.
    const port = new URL(first.url).port;
    const second = await startHere(folder, port);
    expect(second.url).toBe(first.url);
    expect((await post(webhook(second.url, 'demo', 'a'), { n: 1 })).status).toBe(202);
    const own = cellHosts(process.pid);
    await second.stop();
    await until(() => !own.some(isAlive));
  });

  test('answers every request that came before it, and then waits for no connection that is kept alive', async () => {
    const folder = await writeBundle(working);
    const { url, stop, bus } = await startHere(folder);
    const sending = Promise.allSettled(
      Array.from({ length: 60 }, (_, n) => post(webhook(url, 'demo', 'order.created'), { n })),
    );
    await bus.until((seen) => seen[0]);
    // Longer than this test may take: it ends with the last answer.
    await stop(3_600_000);
    const settled = await sending;
    const answers = settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    // Those that the host took no connection of have no answer, and no event.
    const ids = acceptedIds(answers);
    expect(ids).not.toEqual([]);
    expectEachOnce(stored(folder), ids);
  });
});

test('a host that cannot listen lets go of its bus', async () => {
  const folder = await writeBundle(working);
  const other = await startHere(await writeBundle(working));
  const { port } = new URL(other.url);
  await expect(startHere(folder, port)).rejects.toThrow(
    `Port ${port} of 127.0.0.1 is taken by another process.`,
  );
  expect(stored(folder).events).toEqual([]);
  const again = await startHere(folder);
  expect((await post(webhook(again.url, 'demo', 'a'), { n: 1 })).status).toBe(202);
});

test('a second host of the same bundle is refused, and the first goes on', async () => {
  const folder = await writeBundle(working);
  const first = await startHere(folder);
  await expect(startHere(folder)).rejects.toMatchObject({ code: 'bus_locked' });
  const { id } = (await post(webhook(first.url, 'demo', 'a'), { n: 1 })).json;
  await first.bus.result(id);
});
