import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Done, runToEnd, start } from './desk.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gtpack-audit-'));
  await writeFile(join(dir, 'bundle.yaml'), 'providers: { a: { pack: gone.gtpack } }');
  await mkdir(join(dir, '.gtpack', 'audit'), { recursive: true });
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const effect = (more: object = {}): string =>
  JSON.stringify({
    time: '2025-01-01T11:00:00.000Z',
    tenant: 'acme',
    provider: 'hook',
    pack: 'acme.hook@1.0.0',
    run: null,
    node: null,
    capability: 'http',
    fn: 'send',
    target: 'GET https://api.test/',
    decision: 'done',
    code: null,
    duration_ms: 12.5,
    ...more,
  });

const log = () => join(dir, '.gtpack', 'audit', 'audit.jsonl');
const write = (...lines: readonly string[]): Promise<void> => writeFile(log(), `${lines.join('\n')}\n`);
const show = (...words: readonly string[]): Promise<Done> => runToEnd(['audit', ...words], { cwd: dir });

describe('audit', () => {
  test('shows a table, without a host and without the packs of the bundle', async () => {
    const denied = { decision: 'denied', code: 'capability_denied', tenant: 'globex' };
    const failed = { decision: 'failed', code: 'http_timeout', provider: undefined, flow: 'orders' };
    await write(effect(), effect(denied), effect(failed));
    const { status, out, err } = await show('.');
    expect([status, err]).toEqual([0, '']);
    const rows = out.split('\n').map((line) => line.split(/ {2,}/));
    expect(rows).toEqual([
      ['time', 'tenant', 'who', 'effect', 'decision', 'ms', 'target'],
      ['2025-01-01T11:00:00.000Z', 'acme', 'hook', 'http.send', 'done', '12.5', 'GET https://api.test/'],
      ['2025-01-01T11:00:00.000Z', 'globex', 'hook', 'http.send', 'denied', '12.5', 'GET https://api.test/'],
      [
        '2025-01-01T11:00:00.000Z',
        'acme',
        'flow:orders',
        'http.send',
        'failed http_timeout',
        '12.5',
        'GET https://api.test/',
      ],
      [''],
    ]);
  });

  test('with --json gives the lines as they are', async () => {
    const lines = [effect(), effect({ target: 'b' }), '{"time":"2025-01-01T11:30:00.000Z","dropped":3}'];
    await write(...lines);
    expect((await show('--json')).out).toBe(`${lines.join('\n')}\n`);
  });

  test.each([
    [['--tenant', 'globex'], ['2']],
    [
      ['--provider', 'hook'],
      ['1', '2', '3'],
    ],
    [['--provider', 'other'], []],
    [['--decision', 'denied'], ['3']],
    [['--decision', 'failed'], ['4']],
    [['--since', '30m'], ['4']],
    [
      ['--since', '2025-01-01T11:15:00Z'],
      ['3', '4'],
    ],
    [
      ['--since', '2025-01-01T12:15:00+01:00'],
      ['3', '4'],
    ],
    [['--since', '2026-01-01'], []],
    [
      ['--limit', '2'],
      ['3', '4'],
    ],
    [['--limit', '1', '--provider', 'hook'], ['3']],
    [
      ['--limit', '100'],
      ['1', '2', '3', '4'],
    ],
  ])('shows what %j asks for', async (words, targets) => {
    await write(
      effect({ target: '1' }),
      effect({ target: '2', tenant: 'globex' }),
      effect({ target: '3', decision: 'denied', time: '2025-01-01T11:20:00.000Z' }),
      effect({
        target: '4',
        decision: 'failed',
        provider: undefined,
        flow: 'f',
        time: '2025-01-01T11:40:00.000Z',
      }),
    );
    const { status, out } = await show('--json', ...words);
    expect(status).toBe(0);
    expect(
      out
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line).target),
    ).toEqual(targets);
  });

  test('says that records were dropped, whoever is asked for', async () => {
    await write(effect(), '{"time":"2025-01-01T11:30:00.000Z","dropped":3}');
    expect((await show('--tenant', 'nobody')).out).toContain('3 records were dropped before the next one');
  });

  test('leaves out lines that cannot be read, and says how many', async () => {
    await write(effect(), '{"time":"x"', 'null', '{"time":"2025-01-01T11:00:00.000Z","tenant":5}', effect());
    const { status, out, err } = await show('.');
    expect([status, err]).toEqual([0, '3 lines could not be read and were left out.\n']);
    expect(out.split('\n')).toHaveLength(4);
  });

  test('text of the log cannot steer the terminal', async () => {
    await write(effect({ target: '\u001b[2J\u202e', tenant: 'a\u0007' }));
    const { out } = await show();
    expect(out).toContain('\\u{1b}[2J\\u{202e}');
    expect(out).toContain('a\\u{7}');
  });

  test('is found where the bundle says, by its folder or its file', async () => {
    await writeFile(join(dir, 'bundle.yaml'), 'audit: { file: log/own.jsonl }\nnonsense: true');
    await mkdir(join(dir, 'log'));
    await writeFile(join(dir, 'log', 'own.jsonl'), `${effect()}\n`);
    for (const bundle of ['.', 'bundle.yaml', dir]) {
      expect((await show(bundle, '--json')).out).toBe(`${effect()}\n`);
    }
  });

  test('that is not there: status 1, and a document with --json', async () => {
    const { status, out, err } = await show('--json');
    expect([status, JSON.parse(out).error.code]).toEqual([1, 'audit_unreadable']);
    expect(err).toContain('There is no audit log here.');
  });

  test.each([
    [['--decision', 'maybe'], '--decision takes one of done, denied, failed; "maybe" came.'],
    [['--since', 'yesterday'], '--since takes a duration'],
    [['--since', '2025-13-01'], '--since takes a duration'],
    [['--limit', '0'], '--limit takes a whole number'],
    [['--limit', '1e3'], '--limit takes a whole number'],
    [['--limit', '1000001'], '--limit takes a whole number'],
  ])('with %j is wrong usage: status 2', async (words, message) => {
    const { status, err } = await show(...words);
    expect([status, err.includes(message)]).toEqual([2, true]);
  });

  test('with --follow goes on until it is stopped, after the newest of what was there', async () => {
    await write(effect({ target: 'old' }), effect({ target: 'newest' }));
    const desk = start(['audit', '--follow', '--json', '--limit', '1'], { cwd: dir });
    await desk.shows('newest');
    await appendFile(log(), `${effect({ target: 'coming' })}\n`);
    await desk.shows('coming');
    desk.stop();
    expect(await desk.status).toBe(0);
    expect(desk.out()).not.toContain('old');
  });
});
