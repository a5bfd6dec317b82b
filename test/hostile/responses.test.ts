import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import type { TenantId } from '../../host/event/names.ts';
import { forever, local, type Outside, raw } from '../capability/http/outside.ts';
import { Arena, type Outcome } from './arena.ts';
import { KINDS, restJob, strikeJob } from './asker-text.ts';
import { heldBytes, World } from './world.ts';

/** A vendor that means harm, or that an attacker owns: what it answers costs the guest's call, and nobody else anything. */

const world = new World();
const arena = new Arena(world.performs);
beforeAll(() => arena.open());

const OK = 'HTTP/1.1 200 OK\r\n';
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`;
const MiB = 1024 * 1024;
/** Of the response's body, by default. */
const GRANTED = MiB;
/** What the main process may hold after an attack that it did not hold before, whatever else this test file keeps. */
const KEPT_BYTES = 48 * MiB;

type Talk = (socket: Socket) => void;
const packed =
  (coding: string, body: Buffer): Talk =>
  (socket) =>
    socket.end(
      Buffer.concat([
        Buffer.from(`${OK}Content-Encoding: ${coding}\r\nContent-Length: ${body.length}\r\n\r\n`),
        body,
      ]),
    );
const zeros = Buffer.alloc(64 * MiB);
const fast = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } };
const gigabyteChunks: Talk = (socket) => {
  socket.write(CHUNKED);
  forever(socket, Buffer.concat([Buffer.from('100000\r\n'), Buffer.alloc(MiB, 'a'), Buffer.from('\r\n')]));
};

const TOO_LARGE = /^http_response_too_large$/;
const INVALID = /^http_response_invalid$/;
const BROKEN = /^(?:http_interrupted|http_response_invalid)$/;
const LATE = /^http_timeout$/;

const VENDORS: readonly (readonly [title: string, talk: Talk, code: RegExp])[] = [
  [
    'announces a body of 1 GiB',
    (socket) => socket.write(`${OK}Content-Length: ${1024 * MiB}\r\n\r\n`),
    TOO_LARGE,
  ],
  ['sends 1 GiB in chunks', gigabyteChunks, TOO_LARGE],
  [
    'sends a body without a length and without an end',
    (socket) => {
      socket.write(`${OK}\r\n`);
      forever(socket, Buffer.alloc(65_536, 'a'));
    },
    TOO_LARGE,
  ],
  ['sends a bomb of gzip', packed('gzip', gzipSync(zeros)), TOO_LARGE],
  ['sends a bomb of deflate', packed('deflate', deflateSync(zeros)), TOO_LARGE],
  ['sends a bomb of raw deflate', packed('deflate', deflateRawSync(zeros)), TOO_LARGE],
  ['sends a bomb of brotli', packed('br', brotliCompressSync(zeros, fast)), TOO_LARGE],
  ['sends a bomb in a bomb', packed('gzip, gzip', gzipSync(gzipSync(zeros))), TOO_LARGE],
  ['packs its body three times', packed('gzip, br, gzip', gzipSync('x')), INVALID],
  ['packs its body two thousand times', packed('gzip, '.repeat(2000).slice(0, -2), gzipSync('x')), INVALID],
  ['says gzip and sends none', packed('gzip', Buffer.from('no gzip at all')), INVALID],
  ['cuts its gzip short', packed('gzip', gzipSync('hello hello hello').subarray(0, 20)), INVALID],
  [
    'drips a byte at a time for ever',
    (socket) => {
      socket.write(CHUNKED);
      const timer = setInterval(() => socket.write('1\r\na\r\n'), 5);
      socket.once('close', () => clearInterval(timer));
    },
    LATE,
  ],
  ['never says a word', () => undefined, LATE],
  ['begins a body and stops', (socket) => socket.write(`${OK}Content-Length: 10\r\n\r\nabc`), LATE],
  ['begins a header and stops', (socket) => socket.write(`${OK}x-a: `), LATE],
  [
    'sends a header without an end',
    (socket) => {
      socket.write(`${OK}x: `);
      forever(socket, 'b'.repeat(65_536));
    },
    TOO_LARGE,
  ],
  [
    'sends headers without an end',
    (socket) => {
      socket.write(OK);
      forever(socket, 'x-a: bbbb\r\n'.repeat(1000));
    },
    TOO_LARGE,
  ],
  [
    'sends a hundred thousand headers',
    (socket) => socket.end(`${OK}${'a: b\r\n'.repeat(100_000)}\r\n`),
    TOO_LARGE,
  ],
  [
    'sends a hundred thousand trailers',
    (socket) => socket.end(`${CHUNKED}0\r\n${'a: b\r\n'.repeat(100_000)}\r\n`),
    TOO_LARGE,
  ],
  [
    'sends a status line without an end',
    (socket) => forever(socket, `${OK.trim()}${'a'.repeat(1000)}`),
    /^http_(?:timeout|response_\w+)$/,
  ],
  [
    'sends interim responses without an end',
    (socket) => forever(socket, 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(50)),
    INVALID,
  ],
  [
    'sends 100 Continue without an end',
    (socket) => forever(socket, 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(50)),
    BROKEN,
  ],
  ['closes before it answers', (socket) => socket.end(), BROKEN],
  ['resets before it answers', (socket) => socket.resetAndDestroy(), BROKEN],
  ['closes in its headers', (socket) => socket.end(`${OK}X-`), BROKEN],
  ['closes in its body', (socket) => socket.end(`${OK}Content-Length: 10\r\n\r\nabc`), BROKEN],
  ['closes in a chunk', (socket) => socket.end(`${CHUNKED}5\r\nab`), BROKEN],
  [
    'sends two lengths',
    (socket) => socket.end(`${OK}Content-Length: 1\r\nContent-Length: 2\r\n\r\naa`),
    INVALID,
  ],
  ['sends a negative length', (socket) => socket.end(`${OK}Content-Length: -1\r\n\r\n`), INVALID],
  ['sends a length that is no number', (socket) => socket.end(`${OK}Content-Length: 0x10\r\n\r\n`), INVALID],
  [
    'sends a length past all numbers',
    (socket) => socket.end(`${OK}Content-Length: ${'9'.repeat(40)}\r\n\r\n`),
    INVALID,
  ],
  [
    'sends a length and chunks',
    (socket) => socket.end(`${OK}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`),
    INVALID,
  ],
  ['sends a chunk of no size', (socket) => socket.end(`${CHUNKED}zz\r\n`), INVALID],
  ['speaks another protocol', (socket) => socket.end('SSH-2.0-OpenSSH_9.0\r\n'), INVALID],
  ['speaks HTTP/2', (socket) => socket.end('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), INVALID],
  [
    'switches protocols unasked',
    (socket) => socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'),
    BROKEN,
  ],
];

describe.each(KINDS)('%s gets a problem of a vendor, and nobody else any, that', (kind, asker) => {
  let tenant: TenantId;
  beforeAll(async () => {
    const wasm = await asker({ capability: 'http', fn: 'send' });
    tenant = arena.admit(await arena.code({ wasm, exports: ['invoke'], grants: { http: local() } }));
  });
  const attack = (server: Outside): Promise<Outcome> =>
    arena.attackAs(tenant, {
      job: strikeJob(JSON.stringify({ url: `${server.origin}/` })),
      harmless: restJob,
    });

  test.each(VENDORS)('%s', async (_title, talk, code) => {
    const before = heldBytes();
    const server = await raw(talk);
    world.grant({ http: local({ timeout: code === LATE ? '100ms' : '20s' }) });
    const outcome = await attack(server);
    expect(outcome).toMatchObject({ kind: 'problem', problem: { code: expect.stringMatching(code) } });
    // The connection is broken off, not read to an end that never comes.
    await world.connectionsAreGone();
    await expect.poll(heldBytes).toBeLessThan(before + KEPT_BYTES);
  });

  if (kind !== 'a module') return;

  test('answers a hundred calls at once with 1 GiB each', async () => {
    const before = heldBytes();
    const server = await raw(gigabyteChunks);
    world.grant({ http: local({ timeout: '20s' }) });
    const job = strikeJob(JSON.stringify({ url: `${server.origin}/` }));
    const calls = Array.from({ length: 100 }, () => arena.call(tenant, job));
    await attack(server);
    for (const outcome of await Promise.all(calls)) {
      // Some are refused for all that the tenant's others hold.
      const code = expect.stringMatching(/^http_(?:response_too_large|busy)$/);
      expect(outcome).toMatchObject({ kind: 'problem', problem: { code } });
    }
    await world.connectionsAreGone();
    await expect.poll(heldBytes).toBeLessThan(before + KEPT_BYTES);
  });

  test('answers with as much as was granted, of characters that JSON escapes', async () => {
    const server = await raw((socket) => {
      socket.write(`${OK}Content-Length: ${GRANTED}\r\n\r\n`);
      socket.end(Buffer.alloc(GRANTED, 1));
    });
    world.grant({ http: local() });
    // Six characters a byte are more than an output may be; they cost the guest's memory, or its call.
    const outcome = await attack(server);
    expect(outcome).toMatchObject({ kind: 'thrown' });
    await world.connectionsAreGone();
  });

  test('sends a second answer that nobody asked for, and it is not the next one’s', async () => {
    const server = await raw((socket) =>
      socket.write(`${OK}Content-Length: 2\r\n\r\n"a${OK}Content-Length: 4\r\n\r\nevil`),
    );
    world.grant({ http: local() });
    for (let calls = 0; calls < 3; calls += 1) {
      const outcome = await attack(server);
      expect(outcome).toMatchObject({ kind: 'output', output: expect.not.stringContaining('evil') });
    }
  });
});

test('what was tried leaves no thread and no connection behind', async () => {
  await arena.threadsAreGone();
  await world.connectionsAreGone();
});
