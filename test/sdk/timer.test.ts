import { beforeAll, describe, expect, test } from 'vitest';
import { Guest } from './guest.ts';

let timer: Guest;
beforeAll(async () => {
  timer = await Guest.of('packs/events-timer');
});

const TICK = {
  schedule: 'flow:on_event/1',
  name: 'on_event',
  scheduled_at: 1_790_000_000_000,
  fired_at: 1_790_000_000_012,
  last_run: null,
  missed: 0,
};

function tick(parts: Partial<Record<keyof typeof TICK, unknown>>): unknown {
  return JSON.parse(timer.call('tick', JSON.stringify({ ...TICK, ...parts })));
}

describe('a tick', () => {
  test('is the event timer.<name>, its payload what the host said of it', () => {
    expect(tick({})).toEqual({ ok: { events: [{ event_type: 'timer.on_event', payload: TICK }] } });
    expect(tick({ last_run: 1_789_999_940_000, missed: 3 })).toMatchObject({
      ok: { events: [{ payload: { last_run: 1_789_999_940_000, missed: 3 } }] },
    });
  });

  test.each([
    ['Nightly Report', 'timer.nightly_report'],
    ['a.b/c*>', 'timer.a_b_c__'],
    ['é😀"\\', 'timer._____'],
    ['result', 'timer.result_'],
    ['', 'timer._'],
    ['x'.repeat(200), `timer.${'x'.repeat(64)}`],
  ])('of the name %j is of an allowed type', (name, type) => {
    expect(tick({ name })).toMatchObject({ ok: { events: [{ event_type: type, payload: { name } }] } });
  });

  test('without a name is a problem', () => {
    for (const name of [null, 7, undefined])
      expect(tick({ name })).toMatchObject({ err: { code: 'tick_invalid' } });
  });
});

describe('a tick of the provider’s own schedule', () => {
  const own = { schedule: 'provider:events-timer/nightly', name: 'nightly' };
  const config = JSON.stringify({ schedules: { nightly: { event_type: 'report.due' }, hourly: {} } });

  test('is of the type that its config names', async () => {
    const guest = await Guest.of('packs/events-timer', config);
    const typeOf = (parts: object): unknown =>
      JSON.parse(guest.call('tick', JSON.stringify({ ...TICK, ...parts }))).ok.events[0].event_type;
    expect(typeOf(own)).toBe('report.due');
    expect(typeOf({ schedule: 'provider:events-timer/hourly', name: 'hourly' })).toBe('timer.hourly');
    // A flow that happens to have the schedule's name.
    expect(typeOf({ schedule: 'flow:nightly/0', name: 'nightly' })).toBe('timer.nightly');
  });
});
