import { describe, expect, test } from 'vitest';
import { writeBundle } from './bundle.ts';
import { startHere } from './host-here.ts';
import { gtpack, printed } from './host-process.ts';
import { post, webhook } from './request.ts';

/** As the design prints them. */
const SMALLEST = `providers:
  events-webhook:
    pack: "providers/events/events-webhook.gtpack"
  events-timer:
    pack: "providers/events/events-timer.gtpack"
`;
const HANDLE_EVENT = `name: handle_event
version: "1.0"
nodes:
  - id: process
    type: script
    config:
      script: |
        // Process the event
        let payload = event.payload;
        process_payload(payload)
    next: respond
triggers:
  - type: event
    event_type: "order.created"
    target: process
`;

describe('what the documentation prints', () => {
  test('the smallest bundle starts as it stands, in env dev for the tenant default', async () => {
    const folder = await writeBundle({ yaml: SMALLEST, packs: ['events-webhook', 'events-timer'] });
    // The port is the one thing that a test may not take from it.
    const up = gtpack(['up', folder, '--listen', '127.0.0.1:0']);
    await printed(up, /Ctrl-C stops it/);
    const [, url = ''] = /at (http:\/\/\S+)/.exec(up.output()) ?? [];
    expect(up.output()).toContain('(env dev)');
    const answer = await post(webhook(url, 'default', 'order.created'), { order: { id: 42, total: 99.5 } });
    expect(answer.status).toBe(202);
    expect(answer.json.id).toBe(answer.headers.get('gtpack-event-id'));
  });

  test('the flow handle_event runs, with process_payload from the scripts beside it', async () => {
    const folder = await writeBundle({
      yaml: `http: { listen: "127.0.0.1:0" }\n${SMALLEST}flows: ["flows/on_event.ygtc"]\n`,
      packs: ['events-webhook', 'events-timer'],
      files: {
        'flows/on_event.ygtc': HANDLE_EVENT,
        'scripts/orders.js': 'export const process_payload = ({ order }) => ({ handled: order.id });\n',
      },
    });
    const { url, bus } = await startHere(folder);
    const { id } = (await post(webhook(url, 'default', 'order.created'), { order: { id: 42 } })).json;
    expect((await bus.result(id)).json).toMatchObject({
      flow: 'handle_event',
      status: 'ok',
      output: { handled: 42 },
    });
  });
});
