import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { scriptFlow, tenantsBundle, writeBundle } from './bundle.ts';
import { startHere } from './host-here.ts';
import { post, webhook } from './request.ts';
import type { Sent } from './sender.ts';
import { stored } from './store.ts';

const sender = fileURLToPath(new URL('sender.ts', import.meta.url));

/** Sends from a second process. */
async function sendAtOnce(url: string, total: number, connections: number): Promise<Sent[]> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [sender, url, String(total), String(connections)],
    { maxBuffer: 64 * 1024 * 1024 },
  );
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

const counting = tenantsBundle({ demo: { flows: { count: scriptFlow('count', 'event.payload.n') } } });

describe('10,000 requests at once', () => {
  test.each([
    ['over 1,000 connections', 1000],
    ['over a connection each', 10_000],
  ])(
    '%s are each accepted or asked to come again, and what was accepted has one result',
    async (_, connections) => {
      const folder = await writeBundle(counting);
      const { url, bus, stop } = await startHere(folder);
      const sent = await sendAtOnce(webhook(url, 'demo', 'thing.counted'), 10_000, connections);

      const accepted = new Map<string, number>();
      const refused: Sent[] = [];
      for (const each of sent) {
        if (each.status === 202) accepted.set(JSON.parse(each.body).id, each.n);
        else refused.push(each);
      }
      expect(sent).toHaveLength(10_000);
      expect(accepted.size + refused.length).toBe(10_000);
      for (const { status, retryAfter, body } of refused) {
        if (![429, 503].includes(status)) throw new Error(`An answer was ${status}: ${body}`);
        expect([retryAfter, JSON.parse(body).code]).toEqual([
          '1',
          expect.stringMatching(/^(cell_busy|host_busy|cell_lost)$/),
        ]);
      }

      await bus.results([...accepted.keys()]);
      const results = bus.of('result').map(({ json }) => [json.event_id, json.output]);
      expect(results).toHaveLength(accepted.size);
      expect(new Map(results as [string, number][])).toEqual(accepted);
      // It stays up.
      const last = (await post(webhook(url, 'demo', 'thing.counted'), { n: -1 })).json.id;
      await bus.result(last);
      await stop();
      const { events, pending, deadLetters } = stored(folder);
      expect(new Set(events)).toEqual(new Set([...accepted.keys(), last].map((id) => `demo ${id}`)));
      expect({ pending, deadLetters }).toEqual({ pending: 0, deadLetters: [] });
    },
  );
});
