import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { parseTenantId, type TenantId } from '../../host/event/names.ts';
import { DEFAULT_LIMITS } from '../../host/limits.ts';
import type { CellLoss } from '../../host/sandbox/protocol.ts';
import { Sandbox, type TenantCode } from '../../host/sandbox/sandbox.ts';
import { ingestJob } from '../sandbox/cell.ts';
import { Arena } from './arena.ts';
import { counter, moduleText, STRIKE } from './guest-text.ts';

/** Attacks that take their cell host along: V8 does not interrupt its compiler, and nothing else bounds what that holds. */

const arena = new Arena();
const attacker = parseTenantId('attacker');
const neighbour = parseTenantId('neighbour');
const elsewhere = parseTenantId('elsewhere');

let opened: Sandbox | undefined;
afterEach(() => opened?.stop());

let counting: Uint8Array;
beforeAll(async () => {
  counting = await counter();
});

/** The attacker and its neighbour share a cell host; a third tenant works in another one. */
async function besiege(
  wasm: Uint8Array,
  callWallMs: number,
): Promise<{ readonly sandbox: Sandbox; readonly losses: ReadonlyMap<TenantId, CellLoss> }> {
  const losses = new Map<TenantId, CellLoss>();
  const sandbox = new Sandbox({
    maxLiveCells: 10,
    maxCellsPerHost: 2,
    maxQueuedCalls: DEFAULT_LIMITS.maxQueuedCalls,
    onEffect: async () => ({ kind: 'ok', output: 'null' }),
    onRecord: async () => ({ kind: 'ok', output: 'null' }),
    onRespond: () => undefined,
    onLog: () => undefined,
    onFlowProblems: () => undefined,
    onCellLost: (tenant, loss) => losses.set(tenant, loss),
  });
  opened = sandbox;
  // The bound of a cell host is made of those of its cells.
  const limits = { maxTenantMemoryBytes: 4 * 1024 * 1024 };
  const bystander: TenantCode = await arena.code({ wasm: counting, limits });
  sandbox.register(neighbour, bystander);
  sandbox.register(elsewhere, bystander);
  sandbox.register(attacker, await arena.code({ wasm, limits: { ...limits, callWallMs } }));
  await sandbox.prepare(neighbour);
  await sandbox.prepare(attacker);
  await sandbox.prepare(elsewhere);
  return { sandbox, losses };
}

async function count(sandbox: Sandbox, tenant: TenantId): Promise<number> {
  const result = await sandbox.submit(tenant, ingestJob('{}'));
  if (result.kind !== 'events') throw new Error(JSON.stringify(result));
  return Number(/"payload":(\d+)/.exec(result.events[0]?.json ?? '')?.[1]) - 1_000_000;
}

/** One function that takes V8's compiler long, or very much memory: each label keeps the state of every local. */
function bomb(locals: number, body: string): Promise<Uint8Array> {
  const declared = `(local ${'i64 '.repeat(1000)})`.repeat(locals / 1000);
  return moduleText({
    fields: `(func $bomb (param i32) ${declared} ${body})`,
    strike: '(call $bomb (i32.const 0))',
  });
}

describe('a cell host that cannot be saved loses its own cells only, and they are opened again', () => {
  test.each([
    [
      'whose thread does not end',
      () => bomb(40_000, `(block ${'(br_if 0 (local.get 0))'.repeat(400_000)})`),
      400,
      /A thread did not end/,
    ],
    [
      'whose compiler takes all memory',
      () => bomb(40_000, '(block (br_if 0 (local.get 0)))'.repeat(50_000)),
      5000,
      /held more than \d+ MiB of memory/,
    ],
  ])('%s', async (_, wasm, callWallMs, lastWords) => {
    const { sandbox, losses } = await besiege(await wasm(), callWallMs);
    const [, other] = sandbox.hostPids();
    const attack = sandbox.submit(attacker, ingestJob(STRIKE));
    attack.catch(() => undefined);
    // Calls of the others go on until the end of the cell host.
    let answered = 0;
    while (!losses.has(neighbour)) {
      expect(await count(sandbox, elsewhere)).toBe(answered + 1);
      answered += 1;
    }
    expect(losses.get(neighbour)).toMatchObject({
      reason: 'crash',
      detail: expect.stringMatching(lastWords),
      job: null,
    });
    await expect(attack).rejects.toMatchObject({
      code: expect.stringMatching(/^(?:guest_timeout|cell_lost)$/),
    });
    expect(sandbox.hostPids()).toEqual([other]);
    expect(sandbox.counts()).toEqual({ cells: 1, hosts: 1 });
    // A fresh instance for the neighbour, and for the attacker; the third one's counts on.
    expect(await count(sandbox, neighbour)).toBe(1);
    expect(await sandbox.submit(attacker, ingestJob('{}'))).toMatchObject({ kind: 'events' });
    expect(await count(sandbox, elsewhere)).toBe(answered + 1);
  });
});
