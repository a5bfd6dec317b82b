import type { Json } from '../event/json.ts';
import type { TenantId } from '../event/names.ts';
import { loadScriptWasm } from '../flow/script/script-wasm.ts';
import type { Grants } from '../grant/grants.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import type { Pack, PackProvider } from '../pack/pack.ts';
import type { TenantCode } from '../sandbox/sandbox.ts';
import type { Transpiler } from '../sandbox/transpiler.ts';
import { digestOf } from './digest.ts';
import { codeOf } from './provider-code.ts';

const ENV = 'dev';

export interface LoneProviderOptions {
  readonly tenant: TenantId;
  readonly transpiler: Transpiler;
  readonly grants: Grants;
  readonly config: Json;
}

/**
 * A tenant with one provider and no flow, outside of any bundle. What is not granted is linked, for the broker to deny.
 * @throws GtpackError as `codeOf`
 */
export async function loneProviderCode(
  pack: Pack,
  provider: PackProvider,
  { tenant, transpiler, grants, config }: LoneProviderOptions,
): Promise<TenantCode> {
  const script = await loadScriptWasm();
  const scriptModule = await digestOf(script);
  const binding = {
    id: provider.id,
    pack: pack.file,
    line: 1,
    enabled: true,
    allowUnsigned: true,
    signatures: [],
    config,
    grants,
  };
  const { spec, modules } = await codeOf(binding, pack, provider, {
    transpiler,
    bundleFile: pack.file,
    env: ENV,
    tenant,
    ungranted: 'deny',
  });
  return {
    spec: {
      tenant,
      providers: [spec],
      program: { flows: [], scriptModule },
      programModules: [scriptModule],
      limits: DEFAULT_LIMITS,
    },
    modules: new Map([...modules, [scriptModule, script]]),
  };
}
