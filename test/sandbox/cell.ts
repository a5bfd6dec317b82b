import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { main as asc } from 'assemblyscript/asc';
import { parseTenantId, type TenantId } from '../../host/event/names.ts';
import { loadScriptWasm } from '../../host/flow/script/script-wasm.ts';
import { DEFAULT_LIMITS } from '../../host/limits.ts';
import type {
  CellLoss,
  CellReport,
  Effect,
  IngestRequest,
  Job,
  JobResult,
} from '../../host/sandbox/protocol.ts';
import { Sandbox, type SandboxOptions, type TenantCode } from '../../host/sandbox/sandbox.ts';

/** Compiles a guest of test/guests. */
export async function compileGuest(name: string): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), 'gtpack-guest-'));
  try {
    const source = fileURLToPath(new URL(`../guests/${name}/assembly/index.ts`, import.meta.url));
    const out = join(folder, 'guest.wasm');
    const { error, stderr } = await asc([source, '--outFile', out, '--exportRuntime', '--optimize']);
    if (error !== null) throw new Error(stderr.toString());
    return new Uint8Array(await readFile(out));
  } finally {
    await rm(folder, { recursive: true });
  }
}

const scriptWasm = await loadScriptWasm();

export function assemblyScriptTenant(tenant: TenantId, wasm: Uint8Array, config = 'null'): TenantCode {
  return {
    spec: {
      tenant,
      providers: [
        {
          id: 'guest',
          plugin: { kind: 'assemblyscript', module: 'guest' },
          exports: ['ingest', 'invoke'],
          imports: ['config', 'log'],
          config,
        },
      ],
      program: { flows: [], scriptModule: 'script' },
      programModules: ['script'],
      limits: DEFAULT_LIMITS,
    },
    modules: new Map([
      ['guest', wasm],
      ['script', scriptWasm],
    ]),
  };
}

export interface TestSandbox {
  readonly sandbox: Sandbox;
  readonly losses: CellLoss[];
  readonly logs: Extract<CellReport, { kind: 'log' }>[];
  readonly effects: Effect[];
}

export function openSandbox(options: Partial<SandboxOptions> = {}): TestSandbox {
  const losses: CellLoss[] = [];
  const logs: TestSandbox['logs'] = [];
  const effects: Effect[] = [];
  const sandbox = new Sandbox({
    maxLiveCells: DEFAULT_LIMITS.maxLiveCells,
    maxCellsPerHost: DEFAULT_LIMITS.maxCellsPerHost,
    maxQueuedCalls: DEFAULT_LIMITS.maxQueuedCalls,
    onEffect: async (_, effect) => {
      effects.push(effect);
      return { kind: 'ok', output: 'null' };
    },
    onRecord: async () => ({ kind: 'ok', output: 'null' }),
    onRespond: () => undefined,
    onLog: (_, log) => logs.push(log),
    onFlowProblems: () => undefined,
    onCellLost: (_, loss) => losses.push(loss),
    ...options,
  });
  return { sandbox, losses, logs, effects };
}

export const alpha = parseTenantId('alpha');
export const beta = parseTenantId('beta');

export function ingestJob(body: string): Job {
  const request: IngestRequest = {
    handler: null,
    eventType: 'test.event',
    method: 'POST',
    path: '/events/webhook/alpha/test.event',
    query: {},
    headers: { 'content-type': 'application/json' },
    body,
    bodyEncoding: 'utf8',
    verified: null,
    receivedAt: 1_790_000_000_000,
  };
  return { kind: 'ingest', provider: 'guest', request };
}

/** The payloads of a result that holds events. */
export function payloadsOf(result: JobResult): unknown[] {
  if (result.kind !== 'events') throw new Error(`Events were expected; ${JSON.stringify(result)} came.`);
  return result.events.map(({ json }) => (JSON.parse(json) as { payload: unknown }).payload);
}
