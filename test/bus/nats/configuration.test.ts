import { readFile } from 'node:fs/promises';
import { afterEach, expect, test } from 'vitest';
import { connect, type NatsConnection } from '../../../host/bus/nats/client.ts';
import { openNatsBus } from '../../../host/bus/nats/open.ts';
import { parseEnvName } from '../../../host/event/names.ts';
import { ACME, Collector, GLOBEX, message, ORDER, runOf } from '../../conformance/bus/collector.ts';
import { describeNats, optionsOf } from '../../nats/fixture.ts';
import { NatsServer } from '../../nats/server.ts';

const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

/** docs/nats.conf, with what an operator fills in. */
async function started(): Promise<NatsServer> {
  const config = (await readFile('docs/nats.conf', 'utf8'))
    .replace('"/var/lib/nats"', '"{store_dir}"')
    // The servers of the distributions are older than the line.
    .replace(/^\s*sync_interval:.*$/m, '')
    .replace(/\$([A-Z_]*PASSWORD)/g, '"secret"');
  const server = await NatsServer.start({ config });
  opened.push(server);
  return server;
}

async function client(server: NatsServer, user: string): Promise<NatsConnection> {
  const made = await connect({ servers: server.url, user, pass: 'secret' });
  opened.push(made);
  return made;
}

describeNats('the configuration of docs/nats.conf', () => {
  test('lets a host do all that it has to, and a tenant publish and hear its own events and nothing else', async () => {
    const server = await started();
    const bus = await openNatsBus({
      ...optionsOf(server.url, parseEnvName('prod')),
      credentials: { kind: 'password', user: 'gtpack-host', password: 'secret' },
    });
    opened.push({ [Symbol.asyncDispose]: () => bus.close() });
    const acme = await client(server, 'acme');
    const heard: string[] = [];
    acme.subscribe('heard.>', { callback: (_error, one) => void heard.push(one.subject) });
    await acme.flush();
    const collector = await Collector.start(bus, ACME);
    acme.publish('greentic.events.prod.acme.order.created', '{"id":"theirs","payload":1}');
    acme.publish('greentic.events.prod.globex.order.created', '{"id":"forged","payload":1}');
    await acme.flush();
    await bus.publish(GLOBEX, [message('secret')]);
    await collector.until(1);
    expect(collector.ids).toEqual(['theirs']);
    await collector.ack(collector.at(0), [runOf('run-1')]);
    await bus.publish(ACME, [message('two')], [{ runId: 'run-2', ordinal: 0, entry: '1' }]);
    await collector.until(2);
    await collector.nak(collector.at(1), 0);
    await collector.until(3);
    await collector.dead(collector.at(2), 'no', [runOf('run-2', 'error')]);
    expect((await bus.journals(['run-2'])).size).toBe(1);
    expect((await bus.runs.get('run-1'))?.status).toBe('ok');
    expect((await bus.counts()).get(ACME)?.deadLetters).toBe(1);
    const [letter] = (await bus.deadLetters.list({ order: 'newest', limit: 1 })).items;
    expect(letter === undefined || (await bus.deadLetters.drop(letter))).toBe(true);
    const owner = { tenant: ACME, source: 'orders' };
    await bus.state.set(owner, 'key', '1', { maxKeys: 9, maxBytes: 999, maxValueBytes: 99 });
    expect(await bus.state.get(owner, 'key')).toMatchObject({ json: '1' });
    const timer = { id: 't', dueAt: 1, everyMs: null, type: ORDER, payload: '1', metadata: '{}' };
    expect(await bus.timers.set(owner, timer, 9)).toBe(true);
    await expect.poll(() => heard.length).toBeGreaterThanOrEqual(2);
    expect(heard.filter((subject) => !subject.startsWith('heard.greentic.events.prod.acme.'))).toEqual([]);
    expect((await bus.counts()).get(GLOBEX)?.pending ?? 0).toBe(0);
  });

  test('a host whose user may do too little is refused by name, and so is a wrong password', async () => {
    const server = await started();
    const settings = optionsOf(server.url, parseEnvName('prod'));
    const open = (user: string, password: string) =>
      openNatsBus({ ...settings, credentials: { kind: 'password', user, password } });
    await expect(open('gtpack-host', 'wrong')).rejects.toMatchObject({ code: 'bus_refused' });
    await expect(open('watcher', 'secret')).rejects.toMatchObject({ code: 'bus_refused' });
  });
});
