import type { Duplex } from 'node:stream';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { entryUrl } from '../../host/entry.ts';
import { parseTenantId, type TenantId } from '../../host/event/names.ts';
import { CellHostProcess } from '../../host/sandbox/cell-host-process.ts';
import { FrameReader } from '../../host/sandbox/frame-channel.ts';
import { startLockedDown } from '../../host/sandbox/lockdown.ts';
import type { CellReport, EffectAnswer, HostMessage, Job } from '../../host/sandbox/protocol.ts';
import type { Sandbox } from '../../host/sandbox/sandbox.ts';
import { DEFAULT_LINE } from '../../host/sandbox/waiting-line.ts';
import {
  alpha,
  assemblyScriptTenant,
  beta,
  compileGuest,
  ingestJob,
  openSandbox,
  payloadsOf,
  type TestSandbox,
} from './cell.ts';

const gamma = parseTenantId('gamma');
const delta = parseTenantId('delta');

type OnEffect = NonNullable<Parameters<typeof openSandbox>[0]>['onEffect'];

let counting: Uint8Array;
let asking: Uint8Array;
beforeAll(async () => {
  [counting, asking] = [await compileGuest('misbehaving'), await compileGuest('asking')];
});

let opened: TestSandbox | undefined;
const waiting: ((answer: EffectAnswer) => void)[] = [];
afterEach(async () => {
  await opened?.sandbox.stop();
  opened = undefined;
  waiting.length = 0;
});

/** Tenants whose guests count their calls, and those whose guests wait for an answer of the test. */
function start(
  options: Parameters<typeof openSandbox>[0],
  count: readonly TenantId[],
  wait: readonly TenantId[],
): Sandbox {
  opened = openSandbox({ onEffect: () => new Promise((resolve) => waiting.push(resolve)), ...options });
  for (const tenant of count) opened.sandbox.register(tenant, assemblyScriptTenant(tenant, counting));
  for (const tenant of wait) {
    const { spec, modules } = assemblyScriptTenant(tenant, counting);
    const providers = spec.providers.map(
      (guest) =>
        ({
          ...guest,
          plugin: { kind: 'assemblyscript', module: 'asking' },
          exports: ['invoke'],
          imports: ['bus'],
        }) as const,
    );
    // Under a digest of its own: cells of one cell host share what has the same.
    opened.sandbox.register(tenant, {
      spec: { ...spec, providers },
      modules: new Map([...modules, ['asking', asking]]),
    });
  }
  return opened.sandbox;
}

async function count(sandbox: Sandbox, tenant: TenantId): Promise<unknown> {
  const [payload] = payloadsOf(await sandbox.submit(tenant, ingestJob('{}')));
  return (payload as { calls: number }).calls;
}

const asks = {
  kind: 'invoke',
  provider: 'guest',
  operation: 'publish',
  input: '[{"event_type":"asked.once","payload":1}]',
} satisfies Job;
const OK: EffectAnswer = { kind: 'ok', output: 'null' };

describe('past the cells that may live', () => {
  test('the idle one that was used least recently gives way, and no other', async () => {
    const sandbox = start({ maxLiveCells: 3 }, [alpha, beta, gamma, delta], []);
    for (const tenant of [alpha, beta, gamma]) expect(await count(sandbox, tenant)).toBe(1);
    // The oldest, but not the one that was used least recently.
    expect(await count(sandbox, alpha)).toBe(2);
    expect(await count(sandbox, delta)).toBe(1);
    expect(opened?.losses).toEqual([]);
    expect(await count(sandbox, alpha)).toBe(3);
    expect(await count(sandbox, gamma)).toBe(2);
    expect(sandbox.counts().cells).toBe(3);
    expect(await count(sandbox, beta)).toBe(1);
    // Delta was the next.
    expect(await count(sandbox, alpha)).toBe(4);
    expect(await count(sandbox, gamma)).toBe(3);
    expect(opened?.losses).toEqual([]);
  });

  test('one whose call waits stays, however long ago it was used, and gives its answer', async () => {
    const sandbox = start({ maxLiveCells: 2 }, [beta, gamma], [alpha]);
    const call = sandbox.submit(alpha, asks);
    await expect.poll(() => waiting.length).toBe(1);
    // Each of them takes the place of the other.
    for (let turns = 0; turns < 3; turns += 1) {
      expect(await count(sandbox, beta)).toBe(1);
      expect(await count(sandbox, gamma)).toBe(1);
    }
    waiting[0]?.(OK);
    expect(await call).toEqual({ kind: 'output', output: 'null' });
  });

  test('a tenant that finds all of them at work waits, loses nothing, and is served as soon as one is done', async () => {
    const sandbox = start({ maxLiveCells: 2 }, [gamma], [alpha, beta]);
    const calls = [sandbox.submit(alpha, asks)];
    await expect.poll(() => waiting.length).toBe(1);
    calls.push(sandbox.submit(beta, asks));
    await expect.poll(() => waiting.length).toBe(2);
    const opening = sandbox.prepare(gamma);
    const counted = [count(sandbox, gamma), count(sandbox, gamma)];
    // Those that are at work are served as ever.
    const more = sandbox.submit(alpha, asks);
    await expect.poll(() => waiting.length).toBe(3);
    expect(sandbox.counts().cells).toBe(2);
    waiting[1]?.(OK);
    expect(await Promise.all(counted)).toEqual([1, 2]);
    expect(await opening).toEqual([]);
    for (const answer of waiting) answer(OK);
    expect(await Promise.all([...calls, more])).toHaveLength(3);
    expect(opened?.losses).toEqual([]);
  });

  test('those that wait come in the order in which they came, and nobody passes them', async () => {
    const sandbox = start({ maxLiveCells: 1 }, [beta, gamma, delta], [alpha]);
    const call = sandbox.submit(alpha, asks);
    await expect.poll(() => waiting.length).toBe(1);
    const served: string[] = [];
    const inLine = [gamma, beta, delta].map((tenant) =>
      count(sandbox, tenant).then(() => served.push(tenant)),
    );
    waiting[0]?.(OK);
    await Promise.all([call, ...inLine]);
    expect(served).toEqual([gamma, beta, delta]);
  });

  test('a tenant that is always at work gives way once others have waited long enough, and waits then as they did', async () => {
    const asked = new Map<string, (answer: EffectAnswer) => void>();
    const onEffect: OnEffect = (_, { events: [event] }) =>
      new Promise((resolve) => asked.set(event?.type ?? '', resolve));
    const line = { ...DEFAULT_LINE, patienceMs: 0 };
    const sandbox = start({ maxLiveCells: 1, line, onEffect }, [beta, gamma], [alpha]);
    const calls: Promise<unknown>[] = [];
    let newest = '';
    const ask = (): void => {
      newest = `asked.${calls.length}`;
      const input = JSON.stringify([{ event_type: newest, payload: 1 }]);
      const call = sandbox.submit(alpha, { ...asks, input });
      call.catch(() => undefined);
      calls.push(call);
    };
    ask();
    await expect.poll(() => asked.has(newest)).toBe(true);
    const served: string[] = [];
    const others = [beta, gamma].map(async (tenant) => {
      const counted = await count(sandbox, tenant);
      served.push(tenant, asked.has(newest) ? 'after alpha' : 'before alpha');
      return counted;
    });
    // It is never idle of its own accord: no call is answered before the next one has come, and the newest never.
    await expect
      .poll(() => {
        if (served.length === 0 && asked.has(newest)) ask();
        for (const [type, answer] of asked) if (type !== newest) answer(OK);
        return served;
      })
      .toEqual([beta, 'before alpha', gamma, 'before alpha']);
    expect(await Promise.all(others)).toEqual([1, 1]);
    await expect.poll(() => asked.has(newest)).toBe(true);
    asked.get(newest)?.(OK);
    for (const call of calls) expect(await call).toMatchObject({ kind: 'output' });
    expect(opened?.losses).toEqual([]);
  });

  test('the line is bounded, and whoever waits for an answer is told to come back after a while', async () => {
    const line = { ...DEFAULT_LINE, maxTenants: 1, maxJobsATenant: 2, maxWaitMs: 1 };
    const sandbox = start({ maxLiveCells: 1, line }, [beta, gamma], [alpha]);
    const call = sandbox.submit(alpha, asks);
    await expect.poll(() => waiting.length).toBe(1);
    const late = [sandbox.submit(beta, ingestJob('{}')), sandbox.submit(beta, ingestJob('{}'))];
    const busy = (why: RegExp) =>
      expect.objectContaining({
        code: 'cell_busy',
        status: 429,
        retryable: true,
        message: expect.stringMatching(why),
      });
    expect(() => sandbox.submit(beta, ingestJob('{}'))).toThrow(busy(/2 calls of tenant beta wait/));
    expect(() => sandbox.submit(gamma, ingestJob('{}'))).toThrow(busy(/1 tenants wait/));
    for (const one of late) await expect(one).rejects.toEqual(busy(/none was free within 1 ms/));
    waiting[0]?.(OK);
    expect(await call).toMatchObject({ kind: 'output' });
    expect(await count(sandbox, gamma)).toBe(1);
  });

  test('whoever stands in line when the host stops is told so', async () => {
    const sandbox = start({ maxLiveCells: 1 }, [beta], [alpha]);
    const call = sandbox.submit(alpha, asks);
    await expect.poll(() => waiting.length).toBe(1);
    const late = sandbox.submit(beta, ingestJob('{}'));
    const outcomes = Promise.allSettled([call, late]);
    await sandbox.stop();
    expect((await outcomes)[1]).toMatchObject({ status: 'rejected', reason: { code: 'host_stopping' } });
  });
});

test('a tenant has a thousand calls under way, the next is refused, and another tenant notices nothing', async () => {
  const sandbox = start({}, [beta], [alpha]);
  const calls = Array.from({ length: 1000 }, () => sandbox.submit(alpha, asks));
  expect(() => sandbox.submit(alpha, asks)).toThrow(
    expect.objectContaining({
      code: 'cell_busy',
      status: 429,
      message: expect.stringMatching(/1000 calls of tenant alpha wait already/),
    }),
  );
  expect(await count(sandbox, beta)).toBe(1);
  for (let answered = 0; answered < 1000; ) {
    await expect.poll(() => waiting.length).toBeGreaterThan(answered);
    for (; answered < waiting.length; answered += 1) waiting[answered]?.(OK);
  }
  expect(new Set((await Promise.all(calls)).map(({ kind }) => kind))).toEqual(new Set(['output']));
  // Room for the next.
  const next = sandbox.submit(alpha, asks);
  await expect.poll(() => waiting.length).toBe(1001);
  waiting[1000]?.(OK);
  expect(await next).toMatchObject({ kind: 'output' });
});

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
  'a cell host outlives the %s that a terminal sends to the whole group: the main process drains first',
  async (signal) => {
    const sandbox = start({}, [alpha], []);
    expect(await count(sandbox, alpha)).toBe(1);
    const [pid = 0] = sandbox.hostPids();
    process.kill(pid, signal);
    expect(await count(sandbox, alpha)).toBe(2);
    expect(sandbox.hostPids()).toEqual([pid]);
  },
);

describe('the modules of a cell host', () => {
  test('are sent to it once, under their digest, for all tenants that use them', async () => {
    const sent: string[] = [];
    const startCellHost = () => {
      const child = startLockedDown(entryUrl('cell-host'));
      const pipe = child.stdio[3] as Duplex;
      const write = pipe.write.bind(pipe) as (chunk: Buffer) => boolean;
      const reader = new FrameReader();
      pipe.write = (chunk: Buffer) => {
        for (const batch of reader.take(chunk) as HostMessage[][]) {
          for (const message of batch) if (message.kind === 'module') sent.push(message.digest);
        }
        return write(chunk);
      };
      return child;
    };
    const sandbox = start({ startCellHost, maxLiveCells: 3 }, [alpha, beta, gamma, delta], []);
    for (const tenant of [alpha, beta, gamma, delta]) expect(await count(sandbox, tenant)).toBe(1);
    expect(sandbox.counts()).toEqual({ cells: 3, hosts: 1 });
    expect(sent.toSorted()).toEqual(['guest', 'script']);
  });

  test('are gone from its supervisor when they are forgotten, while the cells that have them work on', async () => {
    const reports = new Map<number, CellReport[]>();
    const host = new CellHostProcess({
      onBatch: (_, batch) => {
        for (const message of batch) {
          if (message.kind !== 'cell') continue;
          reports.set(message.cell, [...(reports.get(message.cell) ?? []), ...message.messages]);
        }
      },
      onLost: () => undefined,
    });
    const { spec, modules } = assemblyScriptTenant(alpha, counting);
    const open = async (cell: number): Promise<unknown> => {
      host.control({ kind: 'open', cell, spec });
      const opened = () => reports.get(cell)?.find(({ kind }) => kind === 'opened');
      await expect.poll(opened).toBeDefined();
      return opened();
    };
    host.retain(modules);
    expect(await open(1)).toEqual({ kind: 'opened', problems: [] });
    host.control({ kind: 'forget', digests: ['guest'] });
    expect(await open(2)).toMatchObject({
      problems: [{ code: 'plugin_invalid', message: expect.stringMatching(/did not reach the cell/) }],
    });
    host.send(1, { kind: 'job', id: 1, job: ingestJob('{}') });
    await expect
      .poll(() => reports.get(1)?.find(({ kind }) => kind === 'job_done'))
      .toMatchObject({ kind: 'job_done', result: { kind: 'events' } });
    await host.stop();
  });
});
