import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { hostRooms } from '../../host/cli/rooms.ts';
import { type Done, runToEnd } from './desk.ts';

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'new-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const gtpack = (...argv: readonly string[]): Promise<Done> => runToEnd(argv, { cwd: dir, rooms: hostRooms });

/** A line that a command printed for people to copy, as its words. */
function wordsOf(line: string): string[] {
  return [...line.trim().matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
}

describe('a new pack', () => {
  test.each(['assemblyscript', 'typescript'])(
    'in %s builds and answers by the lines that are printed, and takes a request',
    { timeout: 120_000 },
    async (language) => {
      const { status, out } = await gtpack('new', 'order-events', '--language', language);
      expect(status).toBe(0);
      const lines = out.split('\n').filter((line) => line.startsWith('  gtpack '));
      const done: Done[] = [];
      for (const line of lines) done.push(await gtpack(...wordsOf(line).slice(1)));
      expect(done.map((each) => each.status)).toEqual([0, 0]);
      expect(done[1]?.out).toBe('{"greeting":"Hello, Ann"}\n');
      const input = '{"event_type": "greeting.wanted", "body": {"name": "Ann"}}';
      const ingested = await gtpack('call', 'order-events.gtpack', 'ingest', '--input', input);
      expect(JSON.parse(ingested.out).events).toMatchObject([
        { event_type: 'greeting.wanted', source: 'order-events', payload: { name: 'Ann' } },
      ]);
      const refused = await gtpack('call', 'order-events.gtpack', 'greet', '--input', '{}');
      expect(refused.status).toBe(1);
      const inspected = JSON.parse((await gtpack('pack', 'inspect', 'order-events.gtpack', '--json')).out);
      expect(inspected).toMatchObject({ ok: true, flows: [{ id: 'order_events_on_greeting' }] });
    },
  );

  test('names itself after its folder wherever a name stands', async () => {
    const { out } = await gtpack('new', 'order-events', '--json');
    const { name, files, folder } = JSON.parse(out);
    expect(name).toBe('order-events');
    for (const file of files) expect(await readFile(join(folder, file), 'utf8')).not.toMatch(/__[A-Z]+__/);
  });

  test('overwrites nothing, and takes no name that a host would refuse', async () => {
    await gtpack('new', 'kept');
    await writeFile(join(dir, 'kept', 'pack.yaml'), 'mine');
    const again = await gtpack('new', 'kept');
    expect([again.status, again.err]).toEqual([2, expect.stringContaining('holds something already')]);
    expect(await readFile(join(dir, 'kept', 'pack.yaml'), 'utf8')).toBe('mine');
    expect(await gtpack('new', 'Bad Name')).toMatchObject({
      status: 2,
      err: expect.stringContaining('is no name'),
    });
    expect(await gtpack('new', 'x', '--language', 'go')).toMatchObject({
      status: 2,
      err: expect.stringContaining('assemblyscript or typescript'),
    });
    await writeFile(join(dir, 'file'), '');
    expect(await gtpack('new', 'file')).toMatchObject({ status: 1 });
  });
});
