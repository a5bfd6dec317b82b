import { describe, expect, onTestFinished, test } from 'vitest';
import { NatsServer, natsServerPath } from '../nats/server.ts';
import { writeBundle } from '../system/bundle.ts';
import { type HostProcess, startProcess } from '../system/host-process.ts';
import { chaosBundle } from './bundle.ts';
import { recordsOf } from './ledger.ts';
import type { PlannedEvent } from './round.ts';
import { Scene } from './scene.ts';
import { ticksOf } from './ticks.ts';

const CLOCKS = 50;

describe.skipIf(natsServerPath() === undefined)('two hosts on one NATS', () => {
  test('B3 B6 what a killed host had in flight is finished by the other, and no effect that it recorded is repeated', async () => {
    await using server = await NatsServer.start();
    const up: { host?: HostProcess } = {};
    const scene = await Scene.open(3, async () => {
      await expect.poll(() => up.host).toBeDefined();
      return up.host?.url ?? '';
    });
    onTestFinished(() => scene.close());
    const parts = chaosBundle(scene.vendor.origin, { bus: { kind: 'nats', servers: [server.url] } });
    const first = await startProcess(await writeBundle(parts), { words: ['--instance', 'first'] });
    const second = await startProcess(await writeBundle(parts), { words: ['--instance', 'second'] });
    const send = (from: number): Promise<void> =>
      scene.sender.send(
        Array.from({ length: 100 }, (_, at): PlannedEvent => {
          return { n: from + at, tenant: 'acme', sendAfterMs: at * 8, insists: true };
        }),
      );
    up.host = first;
    await send(0);
    await scene.settle(second);
    const sending = send(1000);
    await expect.poll(() => scene.sender.accepted.size).toBeGreaterThan(140);
    up.host = second;
    await first.kill();
    await sending;
    expect(scene.sender.accepted.size).toBe(200);
    await scene.settle(second);
    expect(await second.terminate()).toBe(0);
  }, 240_000);

  test('B6 each of 1,000 ticks comes once, also those at which one of the hosts was killed', async () => {
    await using server = await NatsServer.start();
    const scene = await Scene.open(4, () => Promise.reject(new Error('Nothing is sent.')));
    onTestFinished(() => scene.close());
    const bus = { kind: 'nats', servers: [server.url] };
    const parts = chaosBundle(scene.vendor.origin, { bus, clocks: CLOCKS });
    const from = Date.now();
    const first = await startProcess(await writeBundle(parts), { words: ['--instance', 'first'] });
    const second = await startProcess(await writeBundle(parts), { words: ['--instance', 'second'] });
    const ticks = async (): Promise<ReturnType<typeof ticksOf>> => {
      const { runs } = await recordsOf(second.control);
      return ticksOf(runs, CLOCKS, from, Date.now());
    };
    const fired = async (): Promise<number> => (await ticks()).fired;
    await expect.poll(fired, { timeout: 60_000 }).toBeGreaterThan(400);
    await first.kill();
    await expect.poll(fired, { timeout: 60_000 }).toBeGreaterThan(1000);
    // Those that the dead host had are with the other one by now.
    await expect.poll(async () => (await ticks()).faults, { timeout: 60_000 }).toEqual([]);
    expect(await second.terminate()).toBe(0);
  }, 240_000);
});
