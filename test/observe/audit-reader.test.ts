import { appendFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { AuditFile } from '../../host/observe/audit-file.ts';
import { asideFiles } from '../../host/observe/audit-files.ts';
import { AuditLog } from '../../host/observe/audit-log.ts';
import { readAudit } from '../../host/observe/audit-reader.ts';

let dir: string;
let file: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gtpack-audit-'));
  file = join(dir, 'audit.jsonl');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const put = (name: string, text: string): Promise<void> => writeFile(join(dir, name), text);

async function all(): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of readAudit({ file })) lines.push(line);
  return lines;
}

/** Reads on for as long as there are steps, each done when everything so far was read. */
async function following(...steps: readonly (() => Promise<unknown>)[]): Promise<string[]> {
  const lines: string[] = [];
  const left = [...steps];
  const more = async (): Promise<boolean> => {
    await left.shift()?.();
    return left.length > 0;
  };
  for await (const line of readAudit({ file, more })) lines.push(line);
  return lines;
}

test('all files are read, the oldest first and by number, strangers left out', async () => {
  await put('audit.000010.jsonl', 'c\n');
  await put('audit.000002.jsonl', 'a\nb\n');
  await put('audit.999.jsonl', 'x\n');
  await put('audit.jsonl.000001', 'x\n');
  await put('audit.jsonl', 'd\n');
  expect(await all()).toEqual(['a', 'b', 'c', 'd']);
});

test('a torn last line is left out, in the middle of the log as at its end', async () => {
  await put('audit.000001.jsonl', 'a\nb-to');
  await put('audit.jsonl', 'c\nd-to');
  expect(await all()).toEqual(['a', 'c']);
});

test('files of which the newest is missing, as after a kill while one was put aside, are read', async () => {
  await put('audit.000001.jsonl', 'a\n');
  expect(await all()).toEqual(['a']);
});

test('where there is none, that is said', async () => {
  await expect(all()).rejects.toMatchObject({ code: 'audit_unreadable' });
});

test('lines longer than a read come whole, and one without an end costs itself', async () => {
  const long = 'ä'.repeat(100_000);
  await put('audit.jsonl', `${long}\n${'x'.repeat(3 * 1024 ** 2)}`);
  expect(await all()).toEqual([long]);
});

test('a reader that follows goes on with what is written, in parts of lines as well', async () => {
  await put('audit.jsonl', 'a\n');
  const lines = await following(
    () => appendFile(file, 'b\nc'),
    () => appendFile(file, 'd\n'),
    async () => undefined,
  );
  expect(lines).toEqual(['a', 'b', 'cd']);
});

test('a reader that follows goes on over files that are put aside, several at once, with none twice', async () => {
  await put('audit.000003.jsonl', '0\n');
  await put('audit.jsonl', 'a\n');
  const lines = await following(
    async () => {
      await appendFile(file, 'b\n');
      await rename(file, join(dir, 'audit.000004.jsonl'));
      await put('audit.000005.jsonl', 'c\n');
      await put('audit.jsonl', 'd\n');
    },
    () => rename(file, join(dir, 'audit.000006.jsonl')),
    () => put('audit.jsonl', 'e\n'),
    () => appendFile(file, 'f\n'),
    async () => undefined,
  );
  expect(lines).toEqual(['0', 'a', 'b', 'c', 'd', 'e', 'f']);
});

test('a reader that follows starts with a file that is put aside just then', async () => {
  await put('audit.jsonl', 'a\n');
  const lines: string[] = [];
  let left = 3;
  const reading = readAudit({ file, more: async () => --left > 0 });
  lines.push((await reading.next()).value ?? '');
  await rename(file, join(dir, 'audit.000001.jsonl'));
  await put('audit.jsonl', 'b\n');
  for await (const line of reading) lines.push(line);
  expect(lines).toEqual(['a', 'b']);
});

test('a file that is put aside between its opening and the list of files is read once', async () => {
  await put('audit.jsonl', 'a\n');
  let left = 1;
  const list: typeof asideFiles = async (of) => {
    if (left-- > 0) {
      await rename(file, join(dir, 'audit.000001.jsonl'));
      await put('audit.jsonl', 'b\n');
    }
    return asideFiles(of);
  };
  const lines: string[] = [];
  for await (const line of readAudit({ file, list })) lines.push(line);
  expect(lines).toEqual(['a', 'b']);
});

test('a reader sees what a host writes, over all of its files, once and in order', async () => {
  const sink = new AuditFile({ file, maxFileBytes: 1024 ** 2, keep: 100 });
  const log = await AuditLog.open({ sink, now: () => 0, onFault: () => undefined }, file);
  const fill = 'x'.repeat(20_000);
  const steps = Array.from({ length: 20 }, (_, step) => async () => {
    for (let at = 0; at < 20; at += 1) log.record(JSON.stringify({ at: step * 20 + at, fill }));
  });
  const lines = await following(
    ...steps,
    () => log.close(),
    async () => undefined,
  );
  expect(lines.map((line) => JSON.parse(line).at)).toEqual(Array.from({ length: 400 }, (_, at) => at));
});
