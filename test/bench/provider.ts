import { digestOf } from '../../host/deploy/digest.ts';
import { codeOf, type ProviderCode } from '../../host/deploy/provider-code.ts';
import { parseTenantId, type TenantId } from '../../host/event/names.ts';
import { loadScriptWasm } from '../../host/flow/script/script-wasm.ts';
import { type Grants, grantsShape, NO_GRANTS, parseGrants } from '../../host/grant/grants.ts';
import { DEFAULT_LIMITS } from '../../host/limits.ts';
import { readPack } from '../../host/pack/read-pack.ts';
import { jcoVersion } from '../../host/sandbox/jco-version.ts';
import type { TenantCode } from '../../host/sandbox/sandbox.ts';
import { Transpiler } from '../../host/sandbox/transpiler.ts';

export const tenant: TenantId = parseTenantId('bench');

/** The only provider of a pack, linked as the host links it. @param cacheDir of transpiled components */
export async function openProvider(
  file: string,
  cacheDir: string,
  grants: Grants = NO_GRANTS,
): Promise<ProviderCode> {
  const pack = await readPack(file);
  const [provider] = pack.providers;
  if (provider === undefined) throw new Error(`${file} has no provider`);
  const transpiler = new Transpiler({
    cacheDir,
    version: jcoVersion,
    wallMs: DEFAULT_LIMITS.transpileWallMs,
    memoryBytes: DEFAULT_LIMITS.transpileMemoryBytes,
  });
  const binding = {
    id: provider.id,
    pack: file,
    line: 1,
    enabled: true,
    allowUnsigned: false,
    signatures: [],
    config: {},
    grants,
  };
  return codeOf(binding, pack, provider, { transpiler, bundleFile: file, env: 'test', tenant: 'bench' });
}

/** Grants as a bundle writes them; undefined for none. */
export function grantsOf(written: unknown): Grants {
  return written === undefined ? NO_GRANTS : parseGrants(grantsShape.parse(written));
}

/** A cell with that provider and no flows. */
export async function benchCell({ spec, modules }: ProviderCode): Promise<TenantCode> {
  const wasm = await loadScriptWasm();
  const scriptModule = await digestOf(wasm);
  return {
    spec: {
      tenant,
      providers: [spec],
      program: { flows: [], scriptModule },
      programModules: [scriptModule],
      limits: DEFAULT_LIMITS,
    },
    modules: new Map([...modules, [scriptModule, wasm]]),
  };
}
