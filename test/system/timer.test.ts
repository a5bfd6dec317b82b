import { expect, test } from 'vitest';
import { parseTenantId } from '../../host/event/names.ts';
import { tickId } from '../../host/schedule/schedule.ts';
import { packPath, writeBundle } from './bundle.ts';
import { startHere } from './host-here.ts';

const FLOW = `name: every_second
version: "1.0"
nodes:
  - id: only
    type: script
    config:
      script: "({ at: event.payload.scheduled_at, now: Date.now() })"
triggers:
  - type: timer
    cron: "* * * * * *"
    timezone: UTC
    target: only
`;

test('a timer trigger fires on its cron through the timer pack, and the event’s id is made of tenant, schedule and instant', async () => {
  const folder = await writeBundle({
    yaml: JSON.stringify({
      http: { listen: '127.0.0.1:0' },
      tenants: {
        demo: {
          providers: { 'events-timer': { pack: packPath('events-timer') } },
          flows: ['flows/every_second.ygtc'],
        },
      },
    }),
    packs: ['events-timer'],
    files: { 'flows/every_second.ygtc': FLOW },
  });
  const { bus, host } = await startHere(folder);
  expect(host.describe().tenants[0]?.timers).toEqual([
    { schedule: 'flow:every_second/0', plan: '* * * * * * UTC', next: expect.any(Number) },
  ]);
  const [first, second] = await bus.until((seen) => {
    const results = seen.filter(({ kind }) => kind === 'result');
    return results.length >= 2 ? results : undefined;
  });
  for (const result of [first, second]) {
    const event = bus.of('event').find(({ json }) => json.id === result?.json.event_id)?.json;
    const at = event?.payload.scheduled_at;
    expect(at % 1000).toBe(0);
    expect(event).toMatchObject({
      id: tickId(parseTenantId('demo'), 'flow:every_second/0', at),
      event_type: 'timer.every_second',
      source: 'events-timer',
      timestamp: at,
      metadata: { schedule: 'flow:every_second/0' },
    });
    expect(result?.json.output).toEqual({ at, now: at });
  }
  expect(first?.json.event_id).not.toBe(second?.json.event_id);
});
