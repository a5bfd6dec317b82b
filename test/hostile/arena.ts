import { readFile } from 'node:fs/promises';
import { afterAll, expect } from 'vitest';
import type { PluginExport } from '../../host/contract.ts';
import { codeOf } from '../../host/deploy/provider-code.ts';
import { GtpackError, type Problem } from '../../host/errors.ts';
import { parseTenantId, type TenantId } from '../../host/event/names.ts';
import type { Flow } from '../../host/flow/flow.ts';
import { loadScriptWasm } from '../../host/flow/script/script-wasm.ts';
import { type Grants, NO_GRANTS } from '../../host/grant/grants.ts';
import { DEFAULT_LIMITS } from '../../host/limits.ts';
import type { CapabilityRequest } from '../../host/pack/pack.ts';
import type { CellLimits, CellLoss, CellReport, Job, JobResult } from '../../host/sandbox/protocol.ts';
import { Sandbox, type SandboxOptions, type TenantCode } from '../../host/sandbox/sandbox.ts';
import { Transpiler } from '../../host/sandbox/transpiler.ts';
import { ingestJob } from '../sandbox/cell.ts';
import { componentStore } from '../system/component-store.ts';
import { counter, STRIKE } from './guest-text.ts';
import { isolation } from './isolation.ts';

const SCRIPT_MODULE = 'script';
const scriptWasm = await loadScriptWasm();

export interface Guest {
  readonly wasm?: Uint8Array;
  readonly exports?: readonly PluginExport[];
  /** What its bundle grants it; its pack requests just that. Default: nothing. */
  readonly grants?: Partial<Grants>;
  /** The text that `config.get` returns, whatever it is. */
  readonly config?: string;
  readonly flows?: readonly Flow[];
  readonly limits?: Partial<CellLimits>;
}

/** How an attack ended for whoever made the call. */
export type Outcome =
  | JobResult
  | { readonly kind: 'thrown'; readonly code: string; readonly message: string };

/** A slice that a test need not wait long for. */
const QUICK: Partial<CellLimits> = { cpuSliceMs: 100 };
/** What the bystander's count stands at before its first call. */
const FIRST_COUNT = 1_000_000;
/** So few that attackers of the past give way, and every thread of theirs has to be gone. */
const MAX_LIVE_CELLS = 4;
/** The cells that came since, and what allocators keep of what was given back: less than one attack that leaks. */
const KEPT_BYTES = 384 * 1024 * 1024;
/** Of the machine's memory, at least: a cell host that does nothing. */
const BARE_HOST_BYTES = 128 * 1024 * 1024;
/** Calls of the bystander while an attack runs, and as many after it. */
const CALLS = 20;

/**
 * One sandbox, a bystander that works in it all the time, and tenants that attack it one after the other. After each
 * attack the bystander has all its answers from one and the same instance, no cell host has come or gone but that of a
 * tenant that has it for itself, and the attacker's next call works.
 */
export class Arena {
  readonly sandbox: Sandbox;
  readonly losses: CellLoss[] = [];
  readonly logs: Extract<CellReport, { kind: 'log' }>[] = [];
  readonly problems: Problem[] = [];
  readonly #transpiler: Transpiler;
  readonly #bystander = parseTenantId('bystander');
  #tenants = 0;
  #bystanderCalls = FIRST_COUNT;

  /** To be made once in a file; everything ends with it. */
  constructor(options: Partial<SandboxOptions> = {}) {
    this.sandbox = new Sandbox({
      maxLiveCells: MAX_LIVE_CELLS,
      maxCellsPerHost: 32,
      maxQueuedCalls: DEFAULT_LIMITS.maxQueuedCalls,
      onEffect: async () => ({ kind: 'ok', output: 'null' }),
      onRecord: async () => ({ kind: 'ok', output: 'null' }),
      onRespond: () => undefined,
      onLog: (_, log) => this.logs.push(log),
      onFlowProblems: (_, problems) => this.problems.push(...problems),
      onCellLost: (_, loss) => this.losses.push(loss),
      ...options,
    });
    this.#transpiler = new Transpiler({
      cacheDir: componentStore(),
      version: 'test',
      wallMs: DEFAULT_LIMITS.transpileWallMs,
      memoryBytes: DEFAULT_LIMITS.transpileMemoryBytes,
    });
    afterAll(() => this.sandbox.stop());
  }

  /** Opens the bystander's cell. To be awaited before the first attack. */
  async open(): Promise<void> {
    this.sandbox.register(this.#bystander, await this.code({ wasm: await counter() }));
    await this.#bystanderWorks(1);
  }

  /** A tenant's code as deploying makes it. @throws GtpackError what a pack with this guest is refused with */
  async code({
    wasm,
    exports = ['ingest'],
    grants = {},
    config = 'null',
    flows = [],
    limits = {},
  }: Guest): Promise<TenantCode> {
    const provider =
      wasm === undefined
        ? undefined
        : await codeOf(
            {
              id: 'guest',
              pack: 'guest.gtpack',
              line: 1,
              enabled: true,
              allowUnsigned: false,
              signatures: [],
              config: null,
              grants: { ...NO_GRANTS, ...grants },
            },
            {
              digest: '',
              file: 'guest.gtpack',
              id: 'test.guest',
              version: '0.1.0',
              publisher: 'test',
              signer: null,
              providers: [],
              flows: [],
              scripts: new Map(),
            },
            {
              id: 'guest',
              kind: 'custom',
              model: 'plugin',
              component: 'guest.wasm',
              wasm,
              exports,
              operations: [],
              requests: requestsOf(grants),
            },
            { transpiler: this.#transpiler, bundleFile: 'bundle.yaml', env: 'test', tenant: 'demo' },
          );
    return {
      spec: {
        tenant: 'guest',
        providers: provider === undefined ? [] : [{ ...provider.spec, config }],
        program: { flows, scriptModule: SCRIPT_MODULE },
        programModules: [SCRIPT_MODULE],
        limits: { ...DEFAULT_LIMITS, ...QUICK, ...limits },
      },
      modules: new Map([...(provider?.modules ?? []), [SCRIPT_MODULE, scriptWasm]]),
      isolation,
    };
  }

  /** A tenant that nobody has heard of before. */
  admit(code: TenantCode): TenantId {
    this.#tenants += 1;
    const tenant = parseTenantId(`attacker-${this.#tenants}`);
    this.sandbox.register(tenant, code);
    return tenant;
  }

  /**
   * Lets a guest attack, among calls of the bystander.
   * @param options.harmless a call of the same tenant that must work afterwards; null where none can
   */
  async attack(guest: Guest, options: AttackOptions = {}): Promise<Outcome> {
    return this.attackAs(this.admit(await this.code(guest)), options);
  }

  async attackAs(
    tenant: TenantId,
    { job = ingestJob(STRIKE), harmless = ingestJob('{}') }: AttackOptions = {},
  ): Promise<Outcome> {
    // The bystander is the last to give way to a new cell.
    await this.#bystanderWorks(1);
    const hosts = this.#lastingHosts();
    const attack = this.call(tenant, job);
    await this.#bystanderWorks(CALLS);
    const outcome = await attack;
    await this.#bystanderWorks(CALLS);
    if (harmless !== null) {
      expect(await this.call(tenant, harmless), 'the next call').not.toMatchObject({ kind: 'thrown' });
    }
    expect(this.#lastingHosts(), 'the cell hosts').toEqual(hosts);
    return outcome;
  }

  /** Process ids of the cell hosts that no attack may end; the bystander's is the oldest. */
  #lastingHosts(): number[] {
    const pids = this.sandbox.hostPids();
    if (isolation === 'shared') return pids;
    const { cells, hosts } = this.sandbox.counts();
    expect(hosts, 'a cell host for each cell').toBe(cells);
    return pids.slice(0, 1);
  }

  async call(tenant: TenantId, job: Job): Promise<Outcome> {
    try {
      return await this.sandbox.submit(tenant, job);
    } catch (error) {
      if (!(error instanceof GtpackError)) throw error;
      return { kind: 'thrown', code: error.code, message: error.message };
    }
  }

  /** Resolves when the cell hosts have no more threads than the live cells and a bare one need. */
  async threadsAreGone(): Promise<void> {
    const pids = this.sandbox.hostPids();
    const { cells } = this.sandbox.counts();
    expect(cells).toBeLessThanOrEqual(MAX_LIVE_CELLS);
    const cellsOfEach = isolation === 'shared' ? cells : 1;
    expect(pids).toHaveLength(isolation === 'shared' ? 1 : cells);
    // Node's own, V8's, libuv's and the spare worker, with room to spare: fewer than there were attacks.
    for (const pid of pids) {
      await expect.poll(() => statusOf(pid, 'Threads')).toBeLessThanOrEqual(cellsOfEach + 14);
    }
  }

  /**
   * Resolves when the cell hosts hold no more of the machine's memory than they did at `before`, give or take what an
   * allocator keeps. Cells that are idle give way to fresh ones first, so that all that attackers held has to be free.
   * @param before of `residentBytes`
   */
  async memoryReturns(before: number): Promise<void> {
    const fresh = await this.code({ wasm: await counter() });
    for (let cells = 0; cells < MAX_LIVE_CELLS - 1; cells += 1) {
      await this.#bystanderWorks(1);
      expect(await this.call(this.admit(fresh), ingestJob('{}'))).toMatchObject({ kind: 'events' });
    }
    const hosts = isolation === 'shared' ? 0 : MAX_LIVE_CELLS - 1;
    const most = before + KEPT_BYTES + hosts * BARE_HOST_BYTES;
    await expect.poll(() => this.residentBytes()).toBeLessThan(most);
  }

  /** What the cell hosts hold of the machine's memory. */
  async residentBytes(): Promise<number> {
    const sizes = await Promise.all(this.sandbox.hostPids().map((pid) => statusOf(pid, 'VmRSS')));
    return sizes.reduce((total, kilobytes) => total + kilobytes * 1024, 0);
  }

  /** The bystander's instance counts its calls: another count would be another instance. */
  async #bystanderWorks(calls: number): Promise<void> {
    const results = await Promise.all(
      Array.from({ length: calls }, () => this.call(this.#bystander, ingestJob('{}'))),
    );
    const counts = results.map((result) =>
      result.kind === 'events' ? Number(/"payload":(\d+)/.exec(result.events[0]?.json ?? '')?.[1]) : result,
    );
    const lost = this.losses.at(-1);
    const which = lost === undefined ? 'the bystander' : `the bystander; lost last: ${JSON.stringify(lost)}`;
    expect(counts, which).toEqual(counts.map((_, index) => this.#bystanderCalls + index + 1));
    this.#bystanderCalls += calls;
  }
}

export interface AttackOptions {
  readonly job?: Job;
  readonly harmless?: Job | null;
}

function requestsOf(grants: Partial<Grants>): readonly CapabilityRequest[] {
  const names = Object.keys(grants) as (keyof Grants)[];
  return names.map((capability) => ({ capability, reason: 'It attacks with it.' }));
}

/** A number that the kernel tells of a process; sizes are in KiB. */
async function statusOf(pid: number | undefined, field: 'Threads' | 'VmRSS'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
}
