import { describe, expect, test } from 'vitest';
import { parseListenAddress } from '../../host/bundle/listen-address.ts';
import { formatDuration, parseDurationMs } from '../../host/written/duration.ts';
import { formatSize, parseSizeBytes } from '../../host/written/size.ts';

describe('a duration', () => {
  test.each([
    ['0ms', 0],
    ['250ms', 250],
    ['10s', 10_000],
    ['5m', 300_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
  ])('%s is %i ms', (text, ms) => {
    expect(parseDurationMs(text)).toBe(ms);
    if (ms > 0) expect(parseDurationMs(formatDuration(ms))).toBe(ms);
  });

  test.each([
    '',
    '10',
    's',
    '1.5s',
    '-1s',
    '+1s',
    ' 1s',
    '1s ',
    '1 s',
    '1S',
    '1w',
    '1h30m',
    '1e3s',
    '1s\n',
    '９s',
  ])('%j is none', (text) => expect(parseDurationMs(text)).toBeUndefined());

  test('with more digits than a number keeps is none', () => {
    expect(parseDurationMs(`${'9'.repeat(13)}ms`)).toBeUndefined();
  });
});

describe('a size', () => {
  test.each([
    ['0B', 0],
    ['512B', 512],
    ['256KiB', 262_144],
    ['1MiB', 1_048_576],
    ['2GiB', 2_147_483_648],
  ])('%s is %i bytes', (text, bytes) => {
    expect(parseSizeBytes(text)).toBe(bytes);
    expect(parseSizeBytes(formatSize(bytes))).toBe(bytes);
  });

  test.each(['', '10', 'MiB', '1MB', '1kb', '1mib', '1.5MiB', '-1B', '1 MiB', '1TiB', '1MiB\n'])(
    '%j is none',
    (text) => expect(parseSizeBytes(text)).toBeUndefined(),
  );
});

describe('a listen address', () => {
  test.each([
    ['127.0.0.1:8080', '127.0.0.1', 8080],
    ['0.0.0.0:0', '0.0.0.0', 0],
    ['[::1]:65535', '::1', 65_535],
    ['localhost:80', 'localhost', 80],
    ['events.example.com:80', 'events.example.com', 80],
  ])('%s is host %s, port %i', (text, host, port) =>
    expect(parseListenAddress(text)).toEqual({ host, port }),
  );

  test.each([
    '',
    ':8080',
    '8080',
    'localhost',
    'localhost:',
    'localhost:http',
    'localhost:65536',
    'localhost:-1',
    '::1:8080',
    '[::1]',
    '[127.0.0.1]:80',
    '[::g]:80',
    '127.1:80',
    '2130706433:80',
    '256.0.0.1:80',
    '-a:80',
    'a..b:80',
    'http://localhost:80',
    'localhost:80\n',
    `${'a.'.repeat(150)}a:80`,
  ])('%j is none', (text) => expect(parseListenAddress(text)).toBeUndefined());
});
