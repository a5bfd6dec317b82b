import { afterEach, expect, test } from 'vitest';
import { openNatsBus } from '../../../host/bus/nats/open.ts';
import { ACME, message } from '../../conformance/bus/collector.ts';
import { describeNats, NatsRoom, optionsOf } from '../../nats/fixture.ts';

const room = NatsRoom.use();
afterEach(() => room.closeAll());

describeNats('schedules of several hosts', () => {
  test('B6 one that the bundle of a starting host names no more goes on at a host that has it, each instant once', async () => {
    const env = room.env();
    const [one, other, third] = await Promise.all(
      [0, 1, 2].map(() => openNatsBus(optionsOf(room.server.url, env))),
    );
    if (one === undefined || other === undefined || third === undefined) throw new Error('three were opened');
    const schedule = { tenant: ACME, schedule: 'flow:nightly/0', plan: 'a' };
    for (const bus of [one, third]) await bus.schedules.begin([schedule], 1000);
    await other.schedules.begin([], 1500);
    const tick = { ...schedule, at: 2000 };
    const outcomes = await Promise.all(
      [one, third].map((bus) => bus.schedules.tick(tick, [message('tick-2000')])),
    );
    const stored = outcomes.flatMap((outcome) => (outcome.kind === 'ticked' ? outcome.receipts : []));
    expect(stored.filter(({ duplicate }) => !duplicate)).toEqual([{ id: 'tick-2000', duplicate: false }]);
    expect(await third.schedules.tick(tick, [message('tick-2000')])).toMatchObject({ kind: 'past' });
    expect(await other.schedules.begin([schedule], 3000)).toEqual([{ at: 2000, lastRun: 2000 }]);
    await Promise.all([one, other, third].map((bus) => bus.close()));
  });
});
