import type { PluginImport } from '../../contract.ts';
import { GtpackError } from '../../errors.ts';
import { openAnyPack } from '../../interop/any-pack.ts';
import { capabilitiesOf, fieldAdapterOf, isFieldAdapter } from '../../interop/field-adapter.ts';
import { DEFAULT_LIMITS } from '../../limits.ts';
import type { Pack, PackProvider } from '../../pack/pack.ts';
import { readArchiveFile } from '../../pack/pack-file.ts';
import { pluginInterface } from '../../pack/plugin-interface.ts';
import { readWasmInterface, type WasmInterface, wasmKind } from '../../pack/wasm-interface.ts';
import { digestOf } from '../digest.ts';

/** What `gtpack call` calls. */
export interface CalledPack {
  readonly pack: Pack;
  readonly provider: PackProvider;
  /** Whether the operations that the provider lists are all that it has. */
  readonly isListed: boolean;
}

const BARE_ID = 'plugin';

/**
 * The provider of a pack, or a bare WebAssembly as if a pack held it alone.
 * @param name which of several; the provider's id
 * @throws GtpackError as reading a pack does, `pack_provider_unknown`
 */
export async function readCalled(file: string, name: string | undefined): Promise<CalledPack> {
  const bytes = await readArchiveFile(file, DEFAULT_LIMITS);
  if (wasmKind(bytes) !== undefined) return bareWasm(bytes, file);
  const pack = await openAnyPack(bytes, file);
  const provider = providerOf(pack, name);
  return { pack, provider, isListed: provider.model === 'plugin' };
}

/** It says nothing of itself but what it imports and exports: that is what it requests and declares. */
export async function bareWasm(wasm: Uint8Array, file: string): Promise<CalledPack> {
  const found = readWasmInterface(wasm, file);
  const plugin = pluginInterface(found);
  const isField = found.kind === 'component' && plugin.exports.length === 0;
  const provider: PackProvider = {
    id: BARE_ID,
    kind: 'custom',
    model: isField ? 'field' : 'plugin',
    component: file,
    wasm,
    exports: isField ? ['invoke'] : plugin.exports,
    operations: [],
    requests: (isField ? fieldCapabilities(found) : plugin.imports).map((capability) => ({
      capability,
      reason: 'it is imported',
    })),
  };
  const pack: Pack = {
    digest: await digestOf(wasm),
    file,
    id: BARE_ID,
    version: '0.0.0',
    publisher: '',
    signer: null,
    providers: [provider],
    flows: [],
    scripts: new Map(),
  };
  return { pack, provider, isListed: false };
}

/** None of one that cannot be adapted; linking it says why. */
function fieldCapabilities(wasm: WasmInterface): readonly PluginImport[] {
  const adapter = fieldAdapterOf(wasm);
  return isFieldAdapter(adapter) ? capabilitiesOf(adapter) : [];
}

function providerOf(pack: Pack, name: string | undefined): PackProvider {
  const names = pack.providers.map(({ id }) => id).join(', ');
  const found = name === undefined ? pack.providers : pack.providers.filter(({ id }) => id === name);
  const [provider, ...others] = found;
  if (provider !== undefined && others.length === 0) return provider;
  throw new GtpackError(
    'pack_provider_unknown',
    name === undefined
      ? `The pack holds the providers ${names}; one has to be chosen.`
      : `The pack holds no provider ${name}.`,
    { file: pack.file, cure: `Choose one with --component: ${names}.` },
  );
}
