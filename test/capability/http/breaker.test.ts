import { expect, test } from 'vitest';
import { type BreakerChange, breakerNotice } from '../../../host/capability/http/breaker.ts';
import { http, local, open, refusal, send } from './outside.ts';

/** A vendor that fails or not, and a host whose clock stands still until it is moved. */
async function world() {
  const vendor = { status: 503, asked: 0 };
  const server = await http((_, response) => {
    vendor.asked += 1;
    response.writeHead(vendor.status).end();
  });
  const clock = { now: 0 };
  const changes: BreakerChange[] = [];
  const capability = open({
    monotonicMs: () => clock.now,
    onBreaker: (change) => changes.push(change),
    breaker: { failures: 3, pauseMs: 1000, maxPauseMs: 3000, maxOrigins: 2 },
  });
  const ask = (tenant = 'demo', origin = server.origin) =>
    send(capability, local(), { url: origin }, { tenant });
  return { vendor, clock, changes, capability, ask, origin: server.origin };
}

test('after failures in a row a vendor is left alone, for one tenant, until a trial succeeds', async () => {
  const { vendor, clock, changes, capability, ask, origin } = await world();
  for (let n = 0; n < 3; n += 1) expect(await ask()).toMatchObject({ status: 503 });
  const refused = await refusal(ask());
  expect(refused).toMatchObject({ code: 'http_circuit_open', retryable: true, retryAfterMs: 1000 });
  expect(refused.message).toBe(`${origin} failed 3 times in a row, and is left alone for 1 s more.`);
  expect(vendor.asked).toBe(3);
  expect(capability.openBreakers).toBe(1);
  // Another tenant's requests go there all the same.
  expect(await ask('other')).toMatchObject({ status: 503 });
  expect(vendor.asked).toBe(4);

  clock.now = 1000;
  expect(await ask()).toMatchObject({ status: 503 });
  expect(await refusal(ask())).toMatchObject({ code: 'http_circuit_open', retryAfterMs: 2000 });
  clock.now = 3000;
  await ask();
  expect(await refusal(ask())).toMatchObject({ retryAfterMs: 3000 });

  clock.now = 6000;
  vendor.status = 200;
  expect(await ask()).toMatchObject({ status: 200 });
  expect(await ask()).toMatchObject({ status: 200 });
  expect(capability.openBreakers).toBe(0);
  expect(changes.map(({ tenant, state, pauseMs }) => [tenant, state, pauseMs])).toEqual([
    ['demo', 'open', 1000],
    ['demo', 'open', 2000],
    ['demo', 'open', 3000],
    ['demo', 'closed', 0],
  ]);
  expect(changes.map(breakerNotice).at(-1)).toBe(`${origin} answers again, after 5 failures in a row.`);
});

test('one request at a time tries whether a vendor has come back', async () => {
  const { vendor, clock, ask } = await world();
  for (let n = 0; n < 3; n += 1) await ask();
  clock.now = 1000;
  const codes = await Promise.all([ask(), refusal(ask()), refusal(ask())]);
  expect(codes).toMatchObject([
    { status: 503 },
    { code: 'http_circuit_open' },
    { code: 'http_circuit_open' },
  ]);
  expect(vendor.asked).toBe(4);
});

test('an answer between failures begins the row anew, and one of status 4xx is an answer', async () => {
  const { vendor, ask } = await world();
  for (let n = 0; n < 10; n += 1) {
    vendor.status = n % 3 === 2 ? 404 : 500;
    await ask();
  }
  expect(vendor.asked).toBe(10);
});

test('connections that are refused count, and what the grant denies does not', async () => {
  const { capability, ask } = await world();
  for (let n = 0; n < 3; n += 1) {
    expect(await refusal(ask('demo', 'http://127.0.0.1:1'))).toMatchObject({ code: 'http_unreachable' });
  }
  expect(await refusal(ask('demo', 'http://127.0.0.1:1'))).toMatchObject({ code: 'http_circuit_open' });
  for (let n = 0; n < 4; n += 1) {
    const denied = await refusal(
      send(capability, local({ networks: ['10.0.0.0/8'] }), { url: 'http://127.0.0.1:2' }),
    );
    expect(denied.code).toBe('capability_denied');
  }
});

test('a guest that gives its request no time, or is gone, opens no circuit', async () => {
  const server = await http(() => undefined);
  const capability = open({ breaker: { failures: 1 } });
  for (let n = 0; n < 2; n += 1) {
    const late = refusal(send(capability, local(), { url: server.origin, timeout_ms: 1 }));
    expect(await late).toMatchObject({ code: 'http_timeout' });
  }
  const leaving = new AbortController();
  const gone = refusal(send(capability, local(), { url: server.origin }, { signal: leaving.signal }));
  leaving.abort();
  await gone;
  expect(capability.openBreakers).toBe(0);
});

test('a timeout of a request that had time opens the circuit', async () => {
  const server = await http(() => undefined);
  const capability = open({ breaker: { failures: 1, minTimeoutMs: 10 } });
  await refusal(send(capability, local(), { url: server.origin, timeout_ms: 10 }));
  expect(await refusal(send(capability, local(), { url: server.origin }))).toMatchObject({
    code: 'http_circuit_open',
  });
});

test('a tenant that makes many origins fail keeps the host from remembering no more than a few', async () => {
  const { ask, capability, origin } = await world();
  for (let n = 0; n < 3; n += 1) await ask();
  for (const port of [1, 2]) await refusal(ask('demo', `http://127.0.0.1:${port}`));
  expect(capability.openBreakers).toBe(0);
  expect(await ask('demo', origin)).toMatchObject({ status: 503 });
});
