import { join } from 'node:path';
import { codeOf } from '../../host/deploy/provider-code.ts';
import type { Grants } from '../../host/grant/grants.ts';
import { DEFAULT_LIMITS } from '../../host/limits.ts';
import { buildPack } from '../../host/pack/build.ts';
import { readPack } from '../../host/pack/read-pack.ts';
import { jcoVersion } from '../../host/sandbox/jco-version.ts';
import type { TenantCode } from '../../host/sandbox/sandbox.ts';
import { Transpiler } from '../../host/sandbox/transpiler.ts';
import { alpha, assemblyScriptTenant } from '../sandbox/cell.ts';
import { repositoryPath } from './guest.ts';

/** A guest of test/guests, built, read back and linked as the host does it. `folder`: for what is made on the way. */
export async function linkedGuest(guest: string, grants: Grants, folder: string): Promise<TenantCode> {
  const file = join(folder, `${guest}.gtpack`);
  await buildPack(repositoryPath(`test/guests/${guest}`), { outFile: file });
  const pack = await readPack(file);
  const [provider] = pack.providers;
  if (provider === undefined) throw new Error('A provider was expected.');
  const binding = {
    id: 'guest',
    pack: file,
    line: 1,
    enabled: true,
    config: null,
    grants,
    allowUnsigned: true,
    signatures: [],
  };
  const transpiler = new Transpiler({
    cacheDir: join(folder, 'components'),
    version: jcoVersion,
    wallMs: DEFAULT_LIMITS.transpileWallMs,
    memoryBytes: DEFAULT_LIMITS.transpileMemoryBytes,
  });
  const { spec, modules } = await codeOf(binding, pack, provider, {
    transpiler,
    bundleFile: 'bundle.yaml',
    env: 'test',
    tenant: 'demo',
  });
  const code = assemblyScriptTenant(alpha, new Uint8Array());
  // What these tests hold is not how long a machine takes over a megabyte.
  const limits = { ...code.spec.limits, cpuSliceMs: 10_000, callWallMs: 60_000 };
  return {
    spec: { ...code.spec, providers: [spec], limits },
    modules: new Map([...code.modules, ...modules]),
  };
}
