import { describe, expect, test } from 'vitest';
import type { DurableBus, EventMessage } from '../../../host/bus/bus.ts';
import type { ScheduleName, ScheduleStart } from '../../../host/bus/schedules.ts';
import { parseEventType } from '../../../host/event/names.ts';
import { ACME, Collector, GLOBEX } from './collector.ts';

const TICK = parseEventType('timer.nightly');
const NOW = Date.parse('2026-01-01T00:00:00Z');
const DAY = 86_400_000;
const nightly: ScheduleStart = { tenant: ACME, schedule: 'flow:nightly/0', plan: 'a' };
const theirs: ScheduleStart = { ...nightly, tenant: GLOBEX };

const eventOf = (id: string, schedule?: string): EventMessage => ({
  id,
  type: TICK,
  json: `{"id":"${id}"}`,
  ...(schedule === undefined ? {} : { schedule }),
});
const tickOf = (id: string): EventMessage => eventOf(id, nightly.schedule);

export interface SchedulesHarness {
  bus(): Pick<DurableBus, 'schedules' | 'consume'>;
  /** Closes the bus and opens it again on what was stored. */
  reopen(): Promise<void>;
}

/** The promises of host/bus/schedules.ts, held against any implementation. */
export function schedulesConformance(name: string, start: () => Promise<SchedulesHarness>): void {
  describe(`schedules of a bus: ${name}`, () => {
    test('a schedule begins now, and is after a restart where its last tick left it', async () => {
      const { bus, reopen } = await start();
      expect(await bus().schedules.begin([nightly, theirs], NOW)).toEqual([
        { at: NOW, lastRun: null },
        { at: NOW, lastRun: null },
      ]);
      expect(await bus().schedules.tick({ ...nightly, at: NOW + 5 }, [tickOf('t1')])).toEqual({
        kind: 'ticked',
        receipts: [{ id: 't1', duplicate: false }],
      });
      await reopen();
      expect(await bus().schedules.begin([theirs, nightly], NOW + 1000)).toEqual([
        { at: NOW, lastRun: null },
        { at: NOW + 5, lastRun: NOW + 5 },
      ]);
    });

    test('B6 an instant is ticked for once: the second host is told where the schedule is', async () => {
      const { bus, reopen } = await start();
      await bus().schedules.begin([nightly], NOW);
      await bus().schedules.tick({ ...nightly, at: NOW + 5 }, [tickOf('t1')]);
      const past = { kind: 'past', position: { at: NOW + 5, lastRun: NOW + 5 } };
      expect(await bus().schedules.tick({ ...nightly, at: NOW + 5 }, [tickOf('t1')])).toEqual(past);
      expect(await bus().schedules.tick({ ...nightly, at: NOW + 4 }, [tickOf('t0')])).toEqual(past);
      await reopen();
      const collector = await Collector.start(bus(), ACME, 10);
      await collector.until(1);
      expect(collector.ids).toEqual(['t1']);
    });

    test('of two hosts that tick for an instant at once one does', async () => {
      const { bus } = await start();
      await bus().schedules.begin([nightly], NOW);
      const outcomes = await Promise.all(
        Array.from({ length: 4 }, () => bus().schedules.tick({ ...nightly, at: NOW + 5 }, [tickOf('t1')])),
      );
      const stored = outcomes.filter(
        (outcome) => outcome.kind === 'ticked' && outcome.receipts[0]?.duplicate === false,
      );
      expect(stored).toHaveLength(1);
    });

    test('the events of a tick arrive, the first with its schedule', async () => {
      const { bus } = await start();
      await bus().schedules.begin([nightly], NOW);
      await bus().schedules.tick({ ...nightly, at: NOW + 5 }, [tickOf('t1'), eventOf('other')]);
      const collector = await Collector.start(bus(), ACME, 10);
      await collector.until(2);
      expect(collector.at(0)).toMatchObject({ id: 't1', schedule: nightly.schedule });
      expect(collector.at(1).schedule).toBeUndefined();
    });

    test('while the last tick is not worked off the schedule is busy; acknowledged, it is not', async () => {
      const { bus } = await start();
      const heard: ScheduleName[] = [];
      const stop = bus().schedules.watch((schedule) => heard.push(schedule));
      await bus().schedules.begin([nightly], NOW);
      await bus().schedules.tick({ ...nightly, at: NOW + 5 }, [tickOf('t1')]);
      const next = (): Promise<unknown> => bus().schedules.tick({ ...nightly, at: NOW + 10 }, [tickOf('t2')]);
      expect(await next()).toEqual({ kind: 'busy' });
      const collector = await Collector.start(bus(), ACME, 10);
      await collector.until(1);
      expect(await next()).toEqual({ kind: 'busy' });
      expect(heard).toEqual([]);
      await collector.ack(collector.at(0));
      await expect.poll(() => heard).toEqual([{ tenant: ACME, schedule: nightly.schedule }]);
      expect(await next()).toMatchObject({ kind: 'ticked' });
      stop();
    });

    test('a tick that was put off keeps its schedule busy; given up, it does not', async () => {
      const { bus } = await start();
      await bus().schedules.begin([nightly], NOW);
      await bus().schedules.tick({ ...nightly, at: NOW + 5 }, [tickOf('t1')]);
      const collector = await Collector.start(bus(), ACME, 10);
      await collector.until(1);
      await collector.nak(collector.at(0), 1);
      expect(await bus().schedules.tick({ ...nightly, at: NOW + 10 }, [tickOf('t2')])).toEqual({
        kind: 'busy',
      });
      await collector.until(2);
      await collector.dead(collector.at(1), 'no use');
      expect(await bus().schedules.tick({ ...nightly, at: NOW + 10 }, [tickOf('t2')])).toMatchObject({
        kind: 'ticked',
      });
    });

    test('an instant is passed over without events, also while the schedule is busy', async () => {
      const { bus, reopen } = await start();
      await bus().schedules.begin([nightly], NOW);
      await bus().schedules.tick({ ...nightly, at: NOW + 5 }, [tickOf('t1')]);
      expect(await bus().schedules.tick({ ...nightly, at: NOW + 10 }, [])).toEqual({
        kind: 'ticked',
        receipts: [],
      });
      expect(await bus().schedules.tick({ ...nightly, at: NOW + 15 }, [tickOf('t3')])).toEqual({
        kind: 'busy',
      });
      await reopen();
      expect(await bus().schedules.begin([nightly], NOW + 20)).toEqual([{ at: NOW + 10, lastRun: NOW + 5 }]);
    });

    test('a schedule with another plan, or that a wrong clock took far ahead, begins now', async () => {
      const { bus } = await start();
      await bus().schedules.begin([nightly], NOW);
      await bus().schedules.tick({ ...nightly, at: NOW + 5 }, [tickOf('t1')]);
      expect(await bus().schedules.begin([{ ...nightly, plan: 'b' }], NOW + 20)).toEqual([
        { at: NOW + 20, lastRun: null },
      ]);
      await bus().schedules.tick({ ...nightly, at: NOW + 20 + 3 * DAY }, []);
      expect(await bus().schedules.begin([{ ...nightly, plan: 'b' }], NOW + 30)).toEqual([
        { at: NOW + 30, lastRun: null },
      ]);
    });

    test('a schedule that is named no more is forgotten: where it comes back, it has missed nothing', async () => {
      const { bus, reopen } = await start();
      const other: ScheduleStart = { ...nightly, schedule: 'flow:other/0' };
      await bus().schedules.begin([nightly, other, theirs], NOW);
      for (const { tenant, schedule } of [nightly, other, theirs])
        await bus().schedules.tick({ tenant, schedule, at: NOW + 5 }, [eventOf(`${tenant} ${schedule}`)]);
      expect(await bus().schedules.begin([other], NOW + 10)).toEqual([{ at: NOW + 5, lastRun: NOW + 5 }]);
      await reopen();
      const positions = await bus().schedules.begin([nightly, other, theirs], NOW + 20);
      expect(positions).toEqual([
        { at: NOW + 20, lastRun: null },
        { at: NOW + 5, lastRun: NOW + 5 },
        { at: NOW + 20, lastRun: null },
      ]);
      expect(await bus().schedules.begin([], NOW + 30)).toEqual([]);
      expect(await bus().schedules.begin([other], NOW + 40)).toEqual([{ at: NOW + 40, lastRun: null }]);
    });

    test('two tenants’ schedules of one name know nothing of each other', async () => {
      const { bus } = await start();
      await bus().schedules.begin([nightly, theirs], NOW);
      await bus().schedules.tick({ ...nightly, at: NOW + 5 }, [tickOf('t1')]);
      expect(await bus().schedules.tick({ ...theirs, at: NOW + 5 }, [tickOf('t1')])).toEqual({
        kind: 'ticked',
        receipts: [{ id: 't1', duplicate: false }],
      });
    });
  });
}
