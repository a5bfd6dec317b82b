import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadBundle } from '../../host/bundle/load.ts';
import { checkBundle } from '../../host/deploy/check.ts';
import { parseTenantId } from '../../host/event/names.ts';
import { timerEventId } from '../../host/schedule/schedule.ts';
import { folderWith, packPath, put, scriptFlow } from './bundle.ts';
import { type HostHere, startHere } from './host-here.ts';
import { stored } from './store.ts';

const KINDS = ['keeping', 'keeping-ts'] as const;
type Kind = (typeof KINDS)[number];
const GRANTS = { state: {}, timers: { events: ['reminder.due'] } };

const folders = new Map<Kind, Awaited<ReturnType<typeof folderWith>>>();

// Transpiled once, here: no single test should pay for it with its time.
beforeAll(async () => {
  for (const kind of KINDS) {
    const files = { 'flows/remind.ygtc': scriptFlow('remind', 'event.payload', 'reminder.due') };
    const folder = await folderWith({ yaml: yaml(kind, GRANTS), packs: [kind], files });
    folders.set(kind, folder);
    expect((await checkBundle(await loadBundle(folder.path))).problems).toEqual([]);
  }
}, 240_000);
afterAll(async () => {
  for (const { remove } of folders.values()) await remove();
});

/** Two tenants, each with the same provider twice. */
function yaml(kind: Kind, grants: unknown, enabled = true): string {
  const provider = { pack: packPath(kind), enabled, grants };
  const providers = { keeper: provider, other: provider };
  return JSON.stringify({
    http: { listen: '127.0.0.1:0' },
    tenants: {
      alpha: { providers, flows: ['flows/remind.ygtc'] },
      beta: { providers: { keeper: provider } },
    },
  });
}

/** The bundle of that kind with these grants, and with nothing on its bus. */
async function bundle(kind: Kind, grants: unknown = GRANTS): Promise<string> {
  const { path } = folders.get(kind) ?? {};
  if (path === undefined) throw new Error(`${kind} was expected.`);
  await rm(join(path, '.gtpack', 'bus.sqlite'), { force: true });
  await put(path, { 'bundle.yaml': yaml(kind, grants) });
  return path;
}

/** What the guest did, as the host answered it. */
async function act(
  { url }: HostHere,
  lines: readonly string[],
  tenant = 'alpha',
  provider = 'keeper',
): Promise<unknown> {
  const response = await fetch(`${url}/v1/events/ingress/${provider}/${tenant}/act`, {
    method: 'POST',
    body: lines.join('\n'),
  });
  return response.json();
}

const FAR = 4_000_000_000_000;

function timerText(more: object = {}): string {
  const event = { event_type: 'reminder.due', payload: { what: 'milk' } };
  return JSON.stringify({ id: 'milk', at: FAR, event, ...more });
}

/** Time goes by without a host: what was due far off is due now. */
function bringForward(folder: string, dueAt: number): void {
  const database = new DatabaseSync(join(folder, '.gtpack', 'bus.sqlite'));
  expect(database.prepare('UPDATE timers SET due_at = ?').run(dueAt).changes).toBe(1);
  database.close();
}

describe.each(KINDS)('a provider of the kind %s', (kind) => {
  test('finds its state after a restart, its own alone, and is reminded once by a timer that came due meanwhile', async () => {
    const folder = await bundle(kind);
    const first = await startHere(folder);
    expect(await act(first, ['set', 'k', '{"n":[1]}'])).toEqual({ ok: null });
    expect(await act(first, ['timer', timerText()])).toEqual({ ok: { due_at: FAR } });
    await first.stop();
    const dueAt = Date.now() - 60_000;
    bringForward(folder, dueAt);

    const second = await startHere(folder);
    const id = timerEventId({ tenant: parseTenantId('alpha'), source: 'keeper' }, 'milk', dueAt);
    expect((await second.bus.result(id)).json.output).toEqual({ what: 'milk' });
    expect(second.bus.of('event')).toMatchObject([
      {
        type: 'reminder.due',
        json: { id, source: 'keeper', timestamp: dueAt, metadata: { correlation_id: id, hops: 0 } },
      },
    ]);
    expect(await act(second, ['clear', 'milk'])).toEqual({ ok: false });
    expect(await act(second, ['get', 'k'])).toEqual({ ok: { n: [1] } });
    expect(await act(second, ['get', 'k'], 'beta')).toEqual({ ok: null });
    expect(await act(second, ['get', 'k'], 'alpha', 'other')).toEqual({ ok: null });
    expect(await act(second, ['delete', 'k'])).toEqual({ ok: true });
    expect(await act(second, ['get', 'k'])).toEqual({ ok: null });
    await second.stop();
    expect(stored(folder).events).toEqual([`alpha ${id}`]);
  });

  test('that fills its state and sets timers without end is told which bound it met, and nobody else feels it', async () => {
    const host = await startHere(
      await bundle(kind, {
        state: { max_keys: 5, max_bytes: '1KiB', max_value: '600B' },
        timers: { events: ['reminder.due'], max: 100 },
      }),
    );
    const problem = (code: string, text: string) => ({
      err: { code, message: expect.stringContaining(text), retryable: false },
    });
    const text = (length: number) => `"${'x'.repeat(length)}"`;
    expect(await act(host, ['fill', 'key-#', '1'])).toEqual(problem('state_full', 'max_keys'));
    expect(await act(host, ['set', 'key-0', text(590)])).toEqual({ ok: null });
    expect(await act(host, ['set', 'key-1', text(590)])).toEqual(problem('state_full', 'max_bytes'));
    expect(await act(host, ['set', 'key-1', text(600)])).toEqual(problem('state_full', 'max_value'));
    expect(await act(host, ['get', 'key-4'])).toEqual({ ok: 1 });
    expect(await act(host, ['set', 'key-0', '1'], 'beta')).toEqual({ ok: null });
    expect(await act(host, ['delete', 'key-0'])).toEqual({ ok: true });
    expect(await act(host, ['set', 'key-1', text(590)])).toEqual({ ok: null });

    for (const prefix of ['a', 'b', 'c']) await act(host, ['timers', timerText({ id: `${prefix}#` })]);
    const oneMore = ['timer', timerText({ id: 'one-more', at: undefined, after_ms: 0 })];
    expect(await act(host, oneMore)).toEqual(problem('timers_full', '100 timers'));
    expect(await act(host, ['timer', timerText({ id: 'a0' })])).toEqual({ ok: { due_at: FAR } });
    expect(await act(host, oneMore, 'beta')).toEqual({ ok: { due_at: expect.any(Number) } });
    expect(await act(host, ['clear', 'a0'])).toEqual({ ok: true });
    expect(await act(host, oneMore)).toEqual({ ok: { due_at: expect.any(Number) } });
    const event = await host.bus.until((seen) => seen.find(({ tenant }) => tenant === 'alpha'));
    expect(event.json).toMatchObject({
      event_type: 'reminder.due',
      source: 'keeper',
      payload: { what: 'milk' },
    });
    await host.bus.result(event.json.id);

    const other = { event_type: 'order.created', payload: 1 };
    expect(await act(host, ['timer', timerText({ event: other })])).toMatchObject({
      err: { code: 'capability_denied', message: expect.not.stringContaining('grants') },
    });
    expect(host.lines.map(({ message }) => message)).toContainEqual(
      expect.stringContaining('timers: { events: ["order.created"] }'),
    );
    await host.stop();
  });
});

test('a timer of a provider that is disabled is kept and told of, and fires once when it is enabled again', async () => {
  const folder = await bundle('keeping');
  const first = await startHere(folder);
  expect(await act(first, ['timer', timerText()])).toEqual({ ok: { due_at: FAR } });
  await first.stop();
  const dueAt = Date.now() - 60_000;
  bringForward(folder, dueAt);

  await put(folder, { 'bundle.yaml': yaml('keeping', GRANTS, false) });
  const without = await startHere(folder);
  expect(without.lines).toContainEqual(
    expect.objectContaining({
      level: 'warn',
      tenant: 'alpha',
      provider: 'keeper',
      message: expect.stringContaining('1 timers for events of the type reminder.due are kept'),
    }),
  );
  await without.stop();
  expect(stored(folder).events).toEqual([]);

  await put(folder, { 'bundle.yaml': yaml('keeping', GRANTS) });
  const again = await startHere(folder);
  const id = timerEventId({ tenant: parseTenantId('alpha'), source: 'keeper' }, 'milk', dueAt);
  await again.bus.result(id);
  await again.stop();
  expect(stored(folder).events).toEqual([`alpha ${id}`]);
});

test('a timer that repeats and missed its instants fires once, and goes on at the next after now', async () => {
  const folder = await bundle('keeping');
  const first = await startHere(folder);
  expect(await act(first, ['timer', timerText({ every_ms: 3_600_000 })])).toEqual({ ok: { due_at: FAR } });
  await first.stop();
  const dueAt = Date.now() - 10.5 * 3_600_000;
  bringForward(folder, Math.floor(dueAt));

  const second = await startHere(folder);
  const event = await second.bus.until((seen) => seen.find(({ type }) => type === 'reminder.due'));
  await second.bus.result(event?.json.id);
  await second.stop();
  expect(stored(folder).events).toHaveLength(1);
  const database = new DatabaseSync(join(folder, '.gtpack', 'bus.sqlite'));
  expect(database.prepare('SELECT due_at FROM timers').all()).toEqual([
    { due_at: Math.floor(dueAt) + 11 * 3_600_000 },
  ]);
  database.close();
});
