import { expect, test } from 'vitest';
import { loadBundle } from '../../host/bundle/load.ts';
import { checkBundle } from '../../host/deploy/check.ts';
import { examineBundle } from '../../host/deploy/doctor/examine-bundle.ts';
import { flowOf, packPath, writeBundle } from './bundle.ts';
import { startHere } from './host-here.ts';
import { post, webhook } from './request.ts';

const call = (id: string, action: string, more: object) => ({
  id,
  type: 'event',
  config: { provider: 'events-timer', action, ...more },
});
const script = (text: string) => [{ id: 'only', type: 'script', config: { script: text } }] as const;

const FLOWS = {
  ask: flowOf(
    'ask',
    [
      {
        ...call('later', 'schedule', {
          id: '{{ event.payload.id }}',
          event_type: 'reminder.due',
          after_ms: '{{ event.payload.after_ms }}',
          payload: { order: '{{ event.payload.id }}' },
        }),
        next: 'all',
      },
      call('all', 'list', {}),
    ],
    'order.created',
  ),
  remind: flowOf('remind', script('event.payload.order'), 'reminder.due'),
  withdraw: flowOf('withdraw', [call('away', 'cancel', { id: '{{ event.payload.id }}' })], 'order.cancelled'),
};

function bundle(grants?: object): Promise<string> {
  const files = Object.fromEntries(Object.entries(FLOWS).map(([name, text]) => [`flows/${name}.ygtc`, text]));
  const providers = {
    'events-webhook': { pack: packPath('events-webhook') },
    'events-timer': { pack: packPath('events-timer'), ...(grants === undefined ? {} : { grants }) },
  };
  const yaml = JSON.stringify({
    http: { listen: '127.0.0.1:0' },
    tenants: { demo: { providers, flows: Object.keys(files) } },
  });
  return writeBundle({ yaml, files, packs: ['events-webhook', 'events-timer'] });
}

test('a flow sets a timer that comes once, lists those that are set, and takes one away', async () => {
  const { url, bus } = await startHere(await bundle({ timers: { events: ['reminder.due'] } }));
  const outputOf = async (type: string, payload: object): Promise<unknown> => {
    const { json: taken } = await post(webhook(url, 'demo', type), payload);
    const { json } = await bus.result(taken.ids[0]);
    return json.output;
  };
  const far = { id: 'far', due_at: expect.any(Number), every_ms: null, event_type: 'reminder.due' };
  expect(await outputOf('order.created', { id: 'far', after_ms: 3_600_000 })).toEqual({
    timers: [far],
    next: null,
  });
  await outputOf('order.created', { id: 'near', after_ms: 1 });
  const due = await bus.until((seen) =>
    seen.find(({ kind, type }) => kind === 'event' && type === 'reminder.due'),
  );
  expect(due.json).toMatchObject({ source: 'events-timer', payload: { order: 'near' } });
  expect((await bus.result(due.json.id)).json.output).toBe('near');
  expect(await outputOf('order.cancelled', { id: 'far' })).toEqual({ id: 'far', cancelled: true });
  expect(await outputOf('order.cancelled', { id: 'far' })).toEqual({ id: 'far', cancelled: false });
});

test('without the grant the pack starts all the same, and each call is denied with the grant that would allow it', async () => {
  const folder = await bundle();
  const { url, bus, lines } = await startHere(folder);
  const { json: taken } = await post(webhook(url, 'demo', 'order.created'), { id: 'far', after_ms: 5 });
  expect((await bus.deadLetter(taken.ids[0])).json).toMatchObject({
    reason: expect.stringContaining('may set no timers'),
  });
  expect(lines).toContainEqual(
    expect.objectContaining({ message: expect.stringContaining('timers: { events: ["reminder.due"] }') }),
  );
});

test('check and doctor say what a pack does without, and call nothing of it a problem', async () => {
  const folder = await bundle();
  const { problems, warnings, notes } = await checkBundle(await loadBundle(folder));
  expect([problems, warnings]).toEqual([[], []]);
  expect(notes).toEqual([
    expect.stringMatching(/events-timer runs without the capability "timers".*grants: \{ timers: \{ events/),
  ]);
  const { ok, findings } = await examineBundle(folder, {});
  expect(ok).toBe(true);
  expect(findings).toContainEqual(expect.objectContaining({ severity: 'info', code: 'grant_optional' }));
  expect(findings).toContainEqual(expect.objectContaining({ severity: 'info', code: 'request_optional' }));
  const granted = await bundle({ timers: { events: ['reminder.due'] } });
  expect((await checkBundle(await loadBundle(granted))).notes).toEqual([]);
});
