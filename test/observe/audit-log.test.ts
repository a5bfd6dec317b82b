import { Buffer } from 'node:buffer';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AuditFile } from '../../host/observe/audit-file.ts';
import { AuditLog, type AuditSink } from '../../host/observe/audit-log.ts';

let dir: string;
let file: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gtpack-audit-'));
  file = join(dir, 'audit', 'audit.jsonl');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const line = (at: number, length = 100) => JSON.stringify({ at, fill: 'x'.repeat(length) });
const faults: string[] = [];
const options = { now: () => 0, onFault: (message: string) => faults.push(message) };
beforeEach(() => {
  faults.length = 0;
});

const openFile = (maxFileBytes = 1024 ** 2, keep = 10) =>
  AuditLog.open({ ...options, sink: new AuditFile({ file, maxFileBytes, keep }) }, file);

async function numbers(): Promise<number[]> {
  const names = (await readdir(join(dir, 'audit'))).sort((a, b) =>
    a === 'audit.jsonl' ? 1 : a < b ? -1 : 1,
  );
  const texts = await Promise.all(names.map((name) => readFile(join(dir, 'audit', name), 'utf8')));
  return texts.flatMap((text) =>
    text
      .split('\n')
      .filter((each) => each !== '')
      .map((each) => JSON.parse(each).at),
  );
}

const upTo = (count: number) => Array.from({ length: count }, (_, at) => at);

describe('the audit log', () => {
  test('holds every record in order once it is closed, and is its owner’s alone', async () => {
    const log = await openFile();
    for (const at of upTo(5000)) log.record(line(at));
    await log.close();
    expect(await numbers()).toEqual(upTo(5000));
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(join(dir, 'audit'))).mode & 0o777).toBe(0o700);
    expect(faults).toEqual([]);
  });

  test('goes on in the file that is there, takes it from others, and closes a line that was torn', async () => {
    await mkdir(join(dir, 'audit'));
    await writeFile(file, `${line(0)}\n{"at":1,"fi`);
    await chmod(file, 0o666);
    const log = await openFile();
    log.record(line(2));
    await log.close();
    const lines = (await readFile(file, 'utf8')).split('\n');
    expect(lines).toEqual([line(0), '{"at":1,"fi', line(2), '']);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  test('puts full files aside under rising numbers, and keeps so many in all', async () => {
    const log = await openFile(1024 ** 2, 3);
    // Batches of a quarter of a megabyte: four to a file.
    for (const at of upTo(60)) log.record(line(at, 120_000));
    await log.close();
    const names = (await readdir(join(dir, 'audit'))).sort();
    expect(names).toHaveLength(3);
    expect(names.slice(0, 2).every((name) => /^audit\.\d{6}\.jsonl$/.test(name))).toBe(true);
    for (const name of names)
      expect((await stat(join(dir, 'audit', name))).size).toBeLessThanOrEqual(1024 ** 2);
    const kept = await numbers();
    expect(kept).toEqual(upTo(60).slice(60 - kept.length));
    expect(kept.length).toBeGreaterThan(16);
  });

  test('goes on with the numbers that are there, gaps and strangers included', async () => {
    await mkdir(join(dir, 'audit'));
    for (const name of ['audit.000007.jsonl', 'audit.jsonl.bak', 'audit.7.jsonl', 'other.000009.jsonl']) {
      await writeFile(join(dir, 'audit', name), '');
    }
    await writeFile(file, 'x'.repeat(1024 ** 2));
    const log = await openFile();
    log.record(line(1));
    await log.close();
    expect(await readdir(join(dir, 'audit'))).toContain('audit.000008.jsonl');
    expect((await readdir(join(dir, 'audit'))).length).toBe(6);
  });

  test('is no link to elsewhere, and where it cannot be written the host does not start', async () => {
    await mkdir(join(dir, 'audit'));
    await symlink(join(dir, 'elsewhere'), file);
    await expect(openFile()).rejects.toMatchObject({ code: 'audit_unwritable' });
    await rm(file);
    await mkdir(file);
    await expect(openFile()).rejects.toMatchObject({ code: 'audit_unwritable' });
  });
});

/** Takes what it is told to take. */
class Tap implements AuditSink {
  text = '';
  /** Bytes that are taken before it fails; endless by default. */
  room = Number.POSITIVE_INFINITY;
  failures = 0;
  #onFailure = Promise.withResolvers<void>();
  closed = false;

  async begin(): Promise<void> {}

  async append(bytes: Buffer): Promise<number> {
    if (this.room === 0) {
      this.failures += 1;
      this.#onFailure.resolve();
      throw new Error('no space left');
    }
    const taken = bytes.subarray(0, Math.min(bytes.length, this.room, 4096));
    this.room -= taken.length;
    this.text += taken.toString();
    return taken.length;
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  failed(): Promise<void> {
    return this.#onFailure.promise;
  }

  lines(): unknown[] {
    return this.text
      .split('\n')
      .filter((each) => each !== '')
      .map((each) => JSON.parse(each));
  }
}

describe('where the disk is full', () => {
  test('records wait, the operator is told once, and a line that was half written is completed', async () => {
    const sink = new Tap();
    sink.room = 150;
    const log = await AuditLog.open({ ...options, sink, retryMs: 1 }, file);
    for (const at of upTo(10)) log.record(line(at));
    await sink.failed();
    await expect.poll(() => faults).toEqual([expect.stringContaining('cannot be written: no space left')]);
    sink.room = Number.POSITIVE_INFINITY;
    for (const at of upTo(20).slice(10)) log.record(line(at));
    await log.close();
    expect(sink.lines()).toMatchObject(upTo(20).map((at) => ({ at })));
    expect(faults).toHaveLength(2);
    expect(faults[1]).toBe('The audit log is written again.');
  });

  test('past the bound records are dropped, and the next line that is written says how many', async () => {
    const sink = new Tap();
    sink.room = 0;
    const log = await AuditLog.open({ ...options, sink, retryMs: 1, maxWaiting: 1000 }, file);
    log.record(line(0));
    await sink.failed();
    for (const at of upTo(100).slice(1)) log.record(line(at));
    expect(faults.filter((message) => message.includes('some are dropped, and counted'))).toHaveLength(1);
    sink.room = Number.POSITIVE_INFINITY;
    await log.close();
    const lines = sink.lines() as { readonly at?: number; readonly dropped?: number }[];
    const dropped = lines.flatMap((each) => each.dropped ?? []);
    expect(dropped).toHaveLength(1);
    expect(lines.filter(({ at }) => at !== undefined).length + (dropped[0] ?? 0)).toBe(100);
    expect(lines[1]).toEqual({ time: '1970-01-01T00:00:00.000Z', dropped: dropped[0] });
  });

  test('closing ends all the same, and says how many records were lost', async () => {
    const sink = new Tap();
    sink.room = 0;
    const log = await AuditLog.open({ ...options, sink, retryMs: 1_000_000 }, file);
    for (const at of upTo(7)) log.record(line(at));
    await sink.failed();
    log.record(line(7));
    await log.close();
    expect(faults.at(-1)).toBe('8 records of the audit log were not written.');
    expect(sink.closed).toBe(true);
    expect(sink.failures).toBe(2);
  });
});

test('one writer at a time takes all that is recorded in a turn as one batch', async () => {
  const sink = new Tap();
  let begun = 0;
  sink.begin = async () => {
    begun += 1;
  };
  const log = await AuditLog.open({ ...options, sink }, file);
  for (const at of upTo(100)) log.record(line(at, 10));
  await log.close();
  // Once when it was opened.
  expect(begun).toBe(2);
  expect(Buffer.byteLength(sink.text)).toBeGreaterThan(0);
});
