import { createHmac } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import type { IngressTenant } from '../../../host/ingress/ingress.ts';
import { createDirectory } from '../../../host/ingress/ingress.ts';
import { type Door, demo, openDoor, send, sendRaw } from '../door.ts';
import { verifier } from './signed.ts';

const doors: Door[] = [];
afterEach(async () => {
  await Promise.all(doors.splice(0).map((door) => door.server.close(10_000)));
});

const START = 1_700_000_000_000;

/** A door whose webhook provider asks for signatures, and whose provider of mail asks for none. */
async function openSigned(now = () => START, maxInFlight: IngressTenant['maxInFlight'] = 100): Promise<Door> {
  const door = await openDoor({
    now,
    maxBodyBytes: 2 * 1024 * 1024,
    directory: createDirectory([
      {
        id: demo,
        maxInFlight,
        maxBodyBytes: 2 * 1024 * 1024,
        providers: [
          {
            id: 'hooks',
            kind: 'webhook',
            verifier: verifier({ github: { secret: 'KEY' }, stripe: { secret: 'KEY' } }, { KEY: 'hush' }),
          },
          { id: 'mail', kind: 'email', verifier: null },
        ],
      },
    ]),
  });
  doors.push(door);
  return door;
}

const SHORT = '/events/webhook/demo/a.b';
const LONG = '/v1/events/ingress/hooks/demo/h';
const github = (body: string | Uint8Array, secret = 'hush') => ({
  'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
});
const stripe = (body: string, at: number) => ({
  'stripe-signature': `t=${at},v1=${createHmac('sha256', 'hush').update(`${at}.${body}`).digest('hex')}`,
});
const REFUSED = '{"code":"signature_refused","message":"The request does not have a valid signature."}';

describe('I6: where a bundle names signatures', () => {
  test('a request that is signed reaches the guest, on both paths, and the guest reads by which scheme', async () => {
    const door = await openSigned();
    for (const path of [SHORT, LONG]) {
      expect((await send(door, path, { body: '{}', headers: github('{}') })).status).toBe(202);
    }
    const signed = stripe('{}', START / 1000);
    expect((await send(door, SHORT, { body: '{}', headers: signed })).status).toBe(202);
    expect(door.requests.map(({ verified }) => verified)).toEqual(['github', 'github', 'stripe']);
  });

  test('one that is not, or otherwise, gets one and the same 401, and no guest runs', async () => {
    const door = await openSigned();
    const wrong: Record<string, string>[] = [
      {},
      github('{}', 'guess'),
      github('{ }'),
      { 'x-hub-signature-256': '' },
      { 'x-hub-signature-256': 'sha256=' },
      { 'stripe-signature': 't=1,v1=00' },
      { ...github('{}'), 'stripe-signature': 't=1,v1=00' },
      { verified: 'github', 'x-verified': 'github', authorization: 'Bearer hush' },
    ];
    for (const headers of wrong) {
      for (const path of [SHORT, LONG]) {
        const answer = await send(door, path, { body: '{}', headers });
        expect([answer.status, answer.text]).toEqual([401, REFUSED]);
      }
    }
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS']) {
      expect((await send(door, LONG, { method })).status).toBe(401);
    }
    expect(door.requests).toEqual([]);
    expect(door.published).toEqual([]);
    expect(door.faults).toEqual([]);
  });

  test('one that is signed and late hears that it is late', async () => {
    const door = await openSigned();
    const answer = await send(door, SHORT, { body: '{}', headers: stripe('{}', START / 1000 - 301) });
    expect([answer.status, answer.json.code]).toEqual([401, 'signature_stale']);
    expect(door.requests).toEqual([]);
  });

  test('a signature that comes twice is none', async () => {
    const door = await openSigned();
    const header = `x-hub-signature-256: ${github('')['x-hub-signature-256']}\r\n`;
    const request = (headers: string) =>
      `POST ${SHORT} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n${headers}connection: close\r\n\r\n`;
    expect(await sendRaw(door, request(header))).toMatch(/^HTTP\/1.1 202/);
    expect(await sendRaw(door, request(header + header))).toMatch(/^HTTP\/1.1 401/);
    expect(await sendRaw(door, request(header + header.replace('sha256=', 'sha256=0')))).toMatch(
      /^HTTP\/1.1 401/,
    );
  });

  test('a body is checked as it came: 1 MiB, bytes that are no text, compressed, in chunks', async () => {
    const door = await openSigned();
    const packed = gzipSync('{"a":1}');
    const bodies = [new Uint8Array(1024 * 1024).fill(0xff), new Uint8Array([0xc3, 0x28, 0]), packed];
    for (const body of bodies) {
      const headers = { 'content-encoding': 'gzip', ...github(body) };
      expect((await send(door, SHORT, { body: Buffer.from(body), headers })).status).toBe(202);
    }
    const plain = { 'content-encoding': 'gzip', ...github('{"a":1}') };
    expect((await send(door, SHORT, { body: packed, headers: plain })).status).toBe(401);
    const { 'x-hub-signature-256': signature } = github('{"a":1}');
    const chunks = `POST ${SHORT} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nx-hub-signature-256: ${signature}\r\nconnection: close\r\n\r\n3\r\n{"a\r\n4\r\n":1}\r\n0\r\n\r\n`;
    expect(await sendRaw(door, chunks)).toMatch(/^HTTP\/1.1 202/);
    expect(door.requests).toHaveLength(4);
  });

  test('a provider that names none takes what comes, and says so to its guest', async () => {
    const door = await openSigned();
    const answer = await send(door, '/v1/events/ingress/mail/demo/h', { headers: github('', 'guess') });
    expect(answer.status).toBe(202);
    expect(door.requests.map(({ verified }) => verified)).toEqual([null]);
  });

  test('what is refused takes no place of the tenant', async () => {
    const door = await openSigned(() => START, 0);
    expect((await send(door, SHORT, { body: '{}' })).status).toBe(401);
    expect((await send(door, SHORT, { body: '{}', headers: github('{}') })).status).toBe(429);
  });
});

describe('the operator', () => {
  test('is told which header was missing or wrong, and nothing that came in it', async () => {
    const door = await openSigned();
    await send(door, SHORT);
    await send(door, SHORT, { headers: { 'x-hub-signature-256': 'sha256=forged' } });
    await send(door, SHORT, { headers: stripe('', START / 1000 - 400) });
    expect(door.refused).toEqual([
      {
        tenant: 'demo',
        provider: 'hooks',
        message: 'A request was refused: it has no signature (x-hub-signature-256, stripe-signature).',
      },
      {
        tenant: 'demo',
        provider: 'hooks',
        message:
          'A request was refused: the header x-hub-signature-256 of github is not what any of the secrets makes of this request.',
      },
      {
        tenant: 'demo',
        provider: 'hooks',
        message: 'A request was refused: the signature of stripe was made 400 s ago, and 300 s are allowed.',
      },
    ]);
  });

  test('is told five times in ten seconds, and then how many there were', async () => {
    let now = START;
    const door = await openSigned(() => now);
    for (let sent = 0; sent < 20; sent += 1) await send(door, SHORT);
    expect(door.refused).toHaveLength(5);
    now += 9_999;
    await send(door, SHORT);
    expect(door.refused).toHaveLength(5);
    now += 1;
    await send(door, SHORT);
    expect(door.refused.slice(5).map(({ message }) => message)).toEqual([
      'A request was refused: it has no signature (x-hub-signature-256, stripe-signature). So were 16 more, of which there is no line.',
    ]);
  });
});
