import { describe, expect, onTestFinished, test } from 'vitest';
import { NatsCluster, NatsServer, natsServerPath } from '../nats/server.ts';
import { writeBundle } from '../system/bundle.ts';
import { type HostProcess, startProcess } from '../system/host-process.ts';
import { post, webhook } from '../system/request.ts';
import { chaosBundle } from './bundle.ts';
import { brokenResults, recordsOf } from './ledger.ts';
import { Passage } from './passage.ts';
import type { PlannedEvent } from './round.ts';
import { Scene } from './scene.ts';
import { ticksOf } from './ticks.ts';

/** Numbered events of one tenant, spread over so many milliseconds. */
function load(from: number, count: number, overMs: number): PlannedEvent[] {
  return Array.from({ length: count }, (_, at) => {
    return { n: from + at, tenant: 'acme', sendAfterMs: (at * overMs) / count, insists: true };
  });
}

/** Flows that run every second, to see that timers wait. */
const CLOCKS = 4;

interface Stage {
  /** Before the host was started; milliseconds since the Unix epoch. */
  readonly from: number;
  readonly scene: Scene;
  readonly host: HostProcess;
}

async function stageOn(servers: readonly string[]): Promise<Stage> {
  const up = Promise.withResolvers<HostProcess>();
  const scene = await Scene.open(1, async () => (await up.promise).url);
  onTestFinished(() => scene.close());
  const folder = await writeBundle(
    chaosBundle(scene.vendor.origin, {
      bus: { kind: 'nats', servers, ...(servers.length === 3 ? { replicas: 3 } : {}) },
      clocks: CLOCKS,
    }),
  );
  const from = Date.now();
  const host = await startProcess(folder);
  up.resolve(host);
  return { scene, host, from };
}

/** Resolves when the host says that it can't store anything now. */
async function refused({ url }: HostProcess): Promise<void> {
  const answer = async (): Promise<string> => {
    const { status, headers, json } = await post(webhook(url, 'globex', 'order.lost'), {});
    return `${status} ${json.code} ${headers.get('retry-after') === null ? 'never' : 'later'}`;
  };
  await expect.poll(answer, { timeout: 60_000, interval: 20 }).toBe('503 bus_unavailable later');
}

async function expectAllDone({ scene, host, from }: Stage): Promise<void> {
  await scene.settle(host);
  // Timers have waited: every second of every clock has come once.
  const ticks = async (): Promise<readonly string[]> =>
    ticksOf((await recordsOf(host.control)).runs, CLOCKS, from, Date.now()).faults;
  await expect.poll(ticks, { timeout: 60_000 }).toEqual([]);
  expect(await host.terminate()).toBe(0);
  scene.check(brokenResults(host.bus.seen, scene.sender.accepted, 'after an outage'));
}

describe.skipIf(natsServerPath() === undefined)('on NATS', () => {
  test('B1 B2 a server that is killed under load costs nothing that got 202, and no false 202 is given meanwhile', async () => {
    await using server = await NatsServer.start();
    const stage = await stageOn([server.url]);
    const before = load(0, 150, 1500);
    const sending = stage.scene.sender.send(before);
    await expect.poll(() => stage.scene.sender.accepted.size).toBeGreaterThan(40);
    await server.stop('SIGKILL');
    await refused(stage.host);
    const { size } = stage.scene.sender.accepted;
    const more = stage.scene.sender.send(load(1000, 50, 500));
    await refused(stage.host);
    expect(stage.scene.sender.accepted.size).toBe(size);
    await server.restart();
    await Promise.all([sending, more]);
    expect(stage.scene.sender.accepted.size).toBe(200);
    await expectAllDone(stage);
  }, 180_000);

  test('B1 B2 one node of three that is killed under load, and then another one, cost nothing that got 202', async () => {
    await using cluster = await NatsCluster.start();
    const stage = await stageOn(cluster.servers);
    for (const node of [0, 1]) {
      const sending = stage.scene.sender.send(load(node * 1000, 100, 1000));
      await expect.poll(() => stage.scene.sender.accepted.size).toBeGreaterThan(node * 100 + 30);
      await cluster.stop(node);
      await sending;
      await cluster.restart(node);
      await stage.scene.settle(stage.host);
    }
    expect(stage.scene.sender.accepted.size).toBe(200);
    await expectAllDone(stage);
  }, 240_000);

  test('B1 B2 a host that nothing comes through to refuses events, and goes on with all it accepted once it does', async () => {
    await using server = await NatsServer.start();
    const passage = await Passage.start(server.port);
    onTestFinished(() => passage.close());
    const stage = await stageOn([`127.0.0.1:${passage.port}`]);
    const sending = stage.scene.sender.send(load(0, 150, 1500));
    await expect.poll(() => stage.scene.sender.accepted.size).toBeGreaterThan(40);
    passage.cut();
    await refused(stage.host);
    passage.heal();
    await sending;
    expect(stage.scene.sender.accepted.size).toBe(150);
    await expectAllDone(stage);
  }, 180_000);
});
