import { createHmac } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { HANDSHAKES } from '../../../host/grant/handshakes.ts';
import { createDirectory } from '../../../host/ingress/ingress.ts';
import type { JobResult } from '../../../host/sandbox/protocol.ts';
import { type Door, demo, openDoor, send } from '../door.ts';
import { verifier } from './signed.ts';

const doors: Door[] = [];
afterEach(async () => {
  await Promise.all(doors.splice(0).map((door) => door.server.close(10_000)));
});

const LONG = '/v1/events/ingress/hooks/demo/h';
const ASKING = `${LONG}?hub.mode=subscribe&hub.topic=t&hub.challenge=c1`;
const ORIGIN = { 'webhook-request-origin': 'example.com' };
const signed = (body: string) => ({
  'x-hub-signature-256': `sha256=${createHmac('sha256', 'hush').update(body).digest('hex')}`,
});
const answer = { status: 200, headers: { 'content-type': 'text/plain' }, body: 'c1' };
const ANSWERED: JobResult = { kind: 'events', events: [], answer };

async function openAsking(handshakes = [...HANDSHAKES]): Promise<Door & { asked: string[] }> {
  const own = verifier({ github: { secret: 'KEY' } }, { KEY: 'hush' }, null, handshakes);
  const door = await openDoor({
    directory: createDirectory([
      {
        id: demo,
        maxInFlight: 10,
        maxBodyBytes: 1024,
        providers: [{ id: 'hooks', kind: 'webhook', verifier: own }],
      },
    ]),
  });
  doors.push(door);
  const asked: string[] = [];
  door.ingest = async (_tenant, _provider, { method, verified }) => {
    asked.push(`${method} ${verified}`);
    return ANSWERED;
  };
  return Object.assign(door, { asked });
}

describe('G4: a handshake that the bundle names', () => {
  test('is answered without a signature, and becomes no event', async () => {
    const door = await openAsking();
    for (const [path, init] of [
      [ASKING, { method: 'GET' }],
      [LONG, { method: 'OPTIONS', headers: ORIGIN }],
    ] as const) {
      const got = await send(door, path, init);
      expect([got.status, got.text]).toEqual([200, 'c1']);
    }
    expect(door.asked).toEqual(['GET null', 'OPTIONS null']);
    expect(door.published).toEqual([]);
  });

  test.each<[string, JobResult]>([
    ['an event', { kind: 'events', events: [{ id: 'a', type: 'a', json: '{}' }] }],
    ['an event beside an answer', { ...ANSWERED, events: [{ id: 'a', type: 'a', json: '{}' }] }],
    ['nothing', { kind: 'events', events: [] }],
  ])('of which the guest makes %s is a request without a signature', async (_, result) => {
    const door = await openAsking();
    door.ingest = async () => result;
    const got = await send(door, ASKING, { method: 'GET' });
    expect([got.status, got.json.code]).toEqual([401, 'signature_refused']);
    expect(door.published).toEqual([]);
  });

  test.each<[string, string, RequestInit]>([
    ['a question without a challenge', `${LONG}?hub.mode=subscribe&hub.topic=t`, { method: 'GET' }],
    ['an empty challenge', `${LONG}?hub.mode=subscribe&hub.challenge=`, { method: 'GET' }],
    ['two challenges', `${ASKING}&hub.challenge=c2`, { method: 'GET' }],
    ['a challenge by POST', ASKING, { method: 'POST', body: '{}' }],
    ['a challenge by HEAD', ASKING, { method: 'HEAD' }],
    ['an OPTIONS without an origin', LONG, { method: 'OPTIONS' }],
    ['an OPTIONS with a body', LONG, { method: 'OPTIONS', headers: ORIGIN, body: '{}' }],
    ['an origin by POST', LONG, { method: 'POST', headers: ORIGIN, body: '{}' }],
    ['one with a signature that does not hold', ASKING, { method: 'GET', headers: signed('x') }],
    [
      'a webhook of the short path',
      '/events/webhook/demo/a?hub.mode=subscribe&hub.challenge=c1',
      { method: 'POST' },
    ],
  ])('%s is none, and reaches no guest', async (_, path, init) => {
    const door = await openAsking();
    expect((await send(door, path, init)).status).toBe(401);
    expect(door.asked).toEqual([]);
  });

  test('one that is signed is a request like any other', async () => {
    const door = await openAsking();
    door.ingest = async () => ({ kind: 'events', events: [{ id: 'a', type: 'a', json: '{}' }] });
    expect((await send(door, ASKING, { method: 'GET', headers: signed('') })).status).toBe(202);
  });

  test('and no other passes', async () => {
    const door = await openAsking(['websub']);
    expect((await send(door, LONG, { method: 'OPTIONS', headers: ORIGIN })).status).toBe(401);
    expect((await send(door, ASKING, { method: 'GET' })).status).toBe(200);
  });
});
