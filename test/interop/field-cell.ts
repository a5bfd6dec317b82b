import { Broker, type EffectRecord } from '../../host/capability/broker.ts';
import { HttpCapability } from '../../host/capability/http.ts';
import { SecretsCapability } from '../../host/capability/secrets.ts';
import { StateCapability } from '../../host/capability/state.ts';
import { MemoryState } from '../../host/deploy/call/memory-stores.ts';
import { digestOf } from '../../host/deploy/digest.ts';
import { codeOf } from '../../host/deploy/provider-code.ts';
import { GtpackError } from '../../host/errors.ts';
import { loadScriptWasm } from '../../host/flow/script/script-wasm.ts';
import { grantsShape, parseGrants } from '../../host/grant/grants.ts';
import { Secret } from '../../host/grant/secret.ts';
import { DEFAULT_LIMITS, type Limits } from '../../host/limits.ts';
import type { Pack, PackProvider } from '../../host/pack/pack.ts';
import { jcoVersion } from '../../host/sandbox/jco-version.ts';
import type { CellLoss, CellReport, JobResult } from '../../host/sandbox/protocol.ts';
import { Transpiler } from '../../host/sandbox/transpiler.ts';
import { alpha, openSandbox } from '../sandbox/cell.ts';
import { componentStore } from '../system/component-store.ts';

/** Components of the field are large, and no test of what they do holds how long a busy machine takes over it. */
const PATIENT: Partial<Limits> = { cpuSliceMs: 2000 };

export interface FieldCellOptions {
  /** As a bundle has them. */
  readonly grants?: Readonly<Record<string, unknown>>;
  readonly secrets?: Readonly<Record<string, string>>;
  /** JSON texts by key. */
  readonly state?: Readonly<Record<string, string>>;
  /** Answers what is granted in place of the network. */
  readonly stubHttp?: boolean;
  readonly limits?: Partial<Limits>;
}

/** A component of the field as the one provider of a tenant, behind the real broker. */
export interface FieldCell {
  invoke(operation: string, input?: unknown): Promise<JobResult>;
  /** What the operation returned, parsed. Throws a problem's code and message. */
  output(operation: string, input?: unknown): Promise<unknown>;
  readonly state: MemoryState;
  readonly effects: EffectRecord[];
  readonly denials: string[];
  readonly logs: Extract<CellReport, { kind: 'log' }>[];
  readonly losses: CellLoss[];
  stop(): Promise<void>;
}

/** @param wasm of the component. @throws GtpackError as linking does */
export async function openFieldCell(wasm: Uint8Array, options: FieldCellOptions = {}): Promise<FieldCell> {
  const grants = parseGrants(grantsShape.parse(options.grants ?? {}));
  const secretOf = (_tenant: string, name: string): Secret => {
    const value = options.secrets?.[name];
    if (value === undefined) throw new GtpackError('secret_undeclared', `There is no secret ${name}.`);
    return new Secret(name, value);
  };
  const effects: EffectRecord[] = [];
  const denials: string[] = [];
  const state = new MemoryState(new Map(Object.entries(options.state ?? {})));
  const stub = () => ({
    status: 200,
    headers: [['content-type', 'application/json']] as [string, string][],
    body: Buffer.from('{"ok":true}'),
  });
  const broker = new Broker({
    capabilities: [
      new HttpCapability({ secretOf, ...(options.stubHttp === true ? { stub } : {}) }),
      new SecretsCapability(secretOf),
      new StateCapability(state),
    ],
    grantsOf: () => grants,
    onDenied: (_tenant, _source, message) => denials.push(message),
    onPerformed: (record) => effects.push(record),
    monotonicMs: () => performance.now(),
  });
  const { sandbox, losses, logs } = openSandbox({
    onEffect: (tenant, effect, signal) => broker.perform(tenant, effect, signal),
  });
  sandbox.register(alpha, await fieldTenant(wasm, { ...DEFAULT_LIMITS, ...PATIENT, ...options.limits }));
  const invoke = (operation: string, input: unknown = {}): Promise<JobResult> =>
    sandbox.submit(alpha, {
      kind: 'invoke',
      provider: 'guest',
      operation,
      input: JSON.stringify(input),
    });
  return {
    invoke,
    async output(operation, input) {
      const result = await invoke(operation, input);
      if (result.kind === 'output') return JSON.parse(result.output);
      throw new Error(
        result.kind === 'problem' ? `${result.problem.code}: ${result.problem.message}` : result.kind,
      );
    },
    state,
    effects,
    denials,
    logs,
    losses,
    async stop() {
      await sandbox.stop();
      await broker.close();
    },
  };
}

/** As a bare component has it that nobody described. */
export function fieldPack(wasm: Uint8Array): { readonly pack: Pack; readonly provider: PackProvider } {
  const provider: PackProvider = {
    id: 'guest',
    kind: 'custom',
    model: 'field',
    component: 'components/guest.wasm',
    wasm,
    exports: ['invoke'],
    operations: [],
    requests: [],
  };
  const pack: Pack = {
    digest: 'test',
    file: 'guest.gtpack',
    id: 'guest',
    version: '0.0.0',
    publisher: '',
    signer: null,
    providers: [provider],
    flows: [],
    scripts: new Map(),
  };
  return { pack, provider };
}

async function fieldTenant(
  wasm: Uint8Array,
  limits: Limits,
): Promise<Parameters<ReturnType<typeof openSandbox>['sandbox']['register']>[1]> {
  const { pack, provider } = fieldPack(wasm);
  const script = await loadScriptWasm();
  const scriptModule = await digestOf(script);
  const { spec, modules } = await codeOf(
    {
      id: 'guest',
      pack: pack.file,
      line: 1,
      enabled: true,
      allowUnsigned: true,
      signatures: [],
      config: null,
      grants: parseGrants({}),
    },
    pack,
    provider,
    {
      transpiler: new Transpiler({
        cacheDir: componentStore(),
        version: jcoVersion,
        wallMs: DEFAULT_LIMITS.transpileWallMs,
        memoryBytes: DEFAULT_LIMITS.transpileMemoryBytes,
      }),
      bundleFile: 'bundle.yaml',
      env: 'test',
      tenant: alpha,
      ungranted: 'deny',
    },
  );
  return {
    spec: {
      tenant: alpha,
      providers: [spec],
      program: { flows: [], scriptModule },
      programModules: [scriptModule],
      limits,
    },
    modules: new Map([...modules, [scriptModule, script]]),
  };
}
