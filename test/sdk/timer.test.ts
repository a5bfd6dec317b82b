import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Guest, type HostFunctions } from './guest.ts';

/** What the guest asked of the host, and what the host answers next. */
const asked: unknown[] = [];
let answer = '{"ok":null}';
const heard =
  (fn: string) =>
  (text: string): string => {
    asked.push([fn, fn === 'clear' ? text : JSON.parse(text)]);
    return answer;
  };
const host: HostFunctions = { timers: { set: heard('set'), clear: heard('clear'), list: heard('list') } };

let timer: Guest;
beforeAll(async () => {
  timer = await Guest.of('packs/events-timer', 'null', host);
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
    const guest = await Guest.of('packs/events-timer', config, host);
    const typeOf = (parts: object): unknown =>
      JSON.parse(guest.call('tick', JSON.stringify({ ...TICK, ...parts }))).ok.events[0].event_type;
    expect(typeOf(own)).toBe('report.due');
    expect(typeOf({ schedule: 'provider:events-timer/hourly', name: 'hourly' })).toBe('timer.hourly');
    // A flow that happens to have the schedule's name.
    expect(typeOf({ schedule: 'flow:nightly/0', name: 'nightly' })).toBe('timer.nightly');
  });
});

describe('a one-shot timer of a flow', () => {
  beforeEach(() => {
    asked.length = 0;
  });

  function invoke(operation: string, input: unknown, gives: unknown): unknown {
    answer = JSON.stringify(gives);
    return JSON.parse(timer.call('invoke', operation, JSON.stringify(input)));
  }

  test('is scheduled for an instant or for a while from now', () => {
    const due = { ok: { due_at: 1_790_000_000_000 } };
    const at = { id: 'é "1"', event_type: 'reminder.due', at: 1_790_000_000_000, payload: { order: 7 } };
    expect(invoke('schedule', at, due)).toEqual({ ok: { id: at.id, due_at: at.at } });
    const after = { id: 't', event_type: 'reminder.due', after_ms: 5000, at: null, metadata: { a: 1 } };
    expect(invoke('schedule', after, due)).toMatchObject({ ok: { id: 't' } });
    expect(asked).toEqual([
      ['set', { id: at.id, at: at.at, event: { event_type: 'reminder.due', payload: { order: 7 } } }],
      [
        'set',
        { id: 't', after_ms: 5000, event: { event_type: 'reminder.due', payload: {}, metadata: { a: 1 } } },
      ],
    ]);
  });

  test('is cancelled by its id, and says whether it was there', () => {
    for (const was of [true, false])
      expect(invoke('cancel', { id: 'é "1"' }, { ok: was })).toEqual({ ok: { id: 'é "1"', cancelled: was } });
    expect(asked[0]).toEqual(['clear', 'é "1"']);
  });

  test('is listed among the others, a page at a time', () => {
    const page = { timers: [{ id: 't', due_at: 5, every_ms: null, event_type: 'reminder.due' }], next: 'é"' };
    expect(invoke('list', {}, { ok: page })).toEqual({ ok: page });
    expect(invoke('list', { after: 'é"', limit: 1 }, { ok: { ...page, next: null } })).toEqual({
      ok: { ...page, next: null },
    });
    expect(asked).toEqual([
      ['list', { limit: 100 }],
      ['list', { limit: 1, after: 'é"' }],
    ]);
  });

  test('that the host denies is the host’s problem, as it came', () => {
    const err = { err: { code: 'capability_denied', message: 'No.', retryable: false } };
    expect(invoke('schedule', { id: 't', event_type: 'a', at: 1 }, err)).toEqual(err);
    expect(invoke('cancel', { id: 't' }, err)).toEqual(err);
    expect(invoke('list', {}, err)).toEqual(err);
  });

  test.each<[string, unknown, string]>([
    ['schedule', [], 'An object was expected'],
    ['schedule', { event_type: 'a', at: 1 }, 'id:'],
    ['schedule', { id: 7, event_type: 'a', at: 1 }, 'id:'],
    ['schedule', { id: 't', at: 1 }, 'event_type:'],
    ['schedule', { id: 't', event_type: 'a' }, 'neither came'],
    ['schedule', { id: 't', event_type: 'a', at: 1, after_ms: 1 }, 'both came'],
    ['schedule', { id: 't', event_type: 'a', at: '2026-01-01' }, 'at: a whole number'],
    ['schedule', { id: 't', event_type: 'a', after_ms: 1.5 }, 'after_ms: a whole number'],
    ['schedule', { id: 't', event_type: 'a', at: 1, every_ms: 1000 }, '"every_ms" is unknown'],
    ['cancel', {}, 'id:'],
    ['cancel', null, 'An object was expected'],
    ['list', { limit: 'x' }, 'limit:'],
    ['list', { after: 5 }, 'after:'],
    ['list', { page: 5 }, '"page" is unknown'],
  ])('%s with %j is refused by name, and nothing is asked of the host', (operation, input, message) => {
    expect(invoke(operation, input, { ok: true })).toMatchObject({
      err: { code: 'input_invalid', message: expect.stringContaining(message) },
    });
    expect(asked).toEqual([]);
  });

  test('of another operation is a problem', () => {
    expect(invoke('postpone', {}, { ok: true })).toMatchObject({ err: { code: 'operation_unknown' } });
  });
});
