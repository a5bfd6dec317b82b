import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { PluginExport } from '../contract.ts';
import { errorMessage, GtpackError, type Problem } from '../errors.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import { writeArchive } from './archive-writer.ts';
import { compileAssemblyScript } from './compile-assemblyscript.ts';
import { compileTypeScript } from './compile-typescript.ts';
import { encodeManifest, MANIFEST_PATH, type ManifestProvider } from './manifest.ts';
import type { ProviderKind } from './pack.ts';
import { writeWhole } from './pack-file.ts';
import { type PackFile, type ProviderFile, readPackFile } from './pack-yaml.ts';
import { compareInterface, type InterfaceFault, pluginInterface } from './plugin-interface.ts';
import { openPack } from './read-pack.ts';
import { encodeSbom, SBOM_PATH } from './sbom.ts';
import { withSignature } from './signature.ts';
import type { SigningKey } from './signing-key.ts';
import { readSourceFolders } from './source-folders.ts';
import { readWasmInterface } from './wasm-interface.ts';

export interface BuildOptions {
  /** Path of the `.gtpack`; its folder is made, a file there is replaced. */
  readonly outFile: string;
  readonly onProgress?: (step: BuildStep) => void;
  readonly signing?: Signing;
}

export interface Signing {
  readonly key: SigningKey;
  /** RFC 3339, UTC; stands in the archive, so that the same one gives the same bytes. */
  readonly signedAt: string;
}

export type BuildStep =
  | { readonly kind: 'compile'; readonly provider: string; readonly language: string }
  | { readonly kind: 'check'; readonly provider: string; readonly bytes: number }
  | { readonly kind: 'write'; readonly file: string; readonly bytes: number };

export interface BuiltPack {
  /** Absolute path. */
  readonly file: string;
  readonly id: string;
  readonly version: string;
  /** BLAKE3 of the archive, hex. */
  readonly digest: string;
  /** Length of the archive. */
  readonly bytes: number;
  /** Fingerprint of the key that signed it. */
  readonly signer: string | null;
  readonly providers: readonly BuiltProvider[];
  /** Paths of the flows in the archive. */
  readonly flows: readonly string[];
}

export interface BuiltProvider {
  readonly id: string;
  readonly kind: ProviderKind;
  readonly exports: readonly PluginExport[];
  readonly bytes: number;
}

/**
 * Builds the pack of a folder with a `pack.yaml`: compiles its providers, checks them against what the file says, and
 * writes manifest, SBOM and archive. Nothing is written unless the result can be read back.
 * @throws GtpackError with codes that start with `pack_`, and those of reading a pack
 */
export async function buildPack(dir: string, options: BuildOptions): Promise<BuiltPack> {
  const root = resolve(dir);
  const outFile = resolve(options.outFile);
  const tell = options.onProgress ?? (() => undefined);
  const packFile = await readPackFile(root);
  const files = await readSourceFolders(root);
  const manifestProviders: ManifestProvider[] = [];
  const problems: Problem[] = [];
  for (const [index, provider] of packFile.providers.entries()) {
    const wasm = await providerWasm(root, provider, tell);
    tell({ kind: 'check', provider: provider.id, bytes: wasm.length });
    const actual = pluginInterface(readWasmInterface(wasm, join(root, provider.code.path)));
    const faults = compareInterface(provider, actual);
    problems.push(...faults.map((fault) => interfaceProblem(packFile, index, fault)));
    const component = `components/${provider.id}.wasm`;
    files.set(component, wasm);
    const { id, kind, exports, config_schema, operations, requests } = provider;
    manifestProviders.push({
      id,
      kind,
      component,
      exports: [...exports],
      config_schema,
      operations: [...operations],
      requests: [...requests],
    });
  }
  const [first, ...rest] = problems;
  if (first !== undefined) throw GtpackError.ofProblems([first, ...rest]);
  const { id, version, publisher } = packFile;
  files.set(MANIFEST_PATH, encodeManifest({ id, version, publisher, providers: manifestProviders }));
  const sbom = await encodeSbom(files);
  files.set(SBOM_PATH, sbom.bytes);
  const { signing } = options;
  const entries =
    signing === undefined ? files : await withSignature(files, sbom, signing.key, signing.signedAt);
  const bytes = writeArchive(entries, outFile);
  // What this host would refuse to read is not handed out.
  const pack = await openPack(bytes, outFile, DEFAULT_LIMITS);
  await writeWhole(outFile, bytes);
  tell({ kind: 'write', file: outFile, bytes: bytes.length });
  return {
    file: outFile,
    id,
    version,
    digest: pack.digest,
    bytes: bytes.length,
    signer: pack.signer,
    providers: pack.providers.map((provider) => ({
      id: provider.id,
      kind: provider.kind,
      exports: provider.exports,
      bytes: provider.wasm.length,
    })),
    flows: pack.flows.map(({ path }) => path),
  };
}

async function providerWasm(
  root: string,
  provider: ProviderFile,
  tell: (step: BuildStep) => void,
): Promise<Uint8Array> {
  const { code } = provider;
  if (code.kind === 'source') tell({ kind: 'compile', provider: provider.id, language: code.language });
  const path = join(root, code.path);
  try {
    const bytes = await readFile(path);
    if (code.kind === 'wasm') return bytes;
  } catch (error) {
    throw new GtpackError(
      'pack_source_invalid',
      `The ${code.kind} of the provider "${provider.id}" cannot be read: ${errorMessage(error)}.`,
      {
        file: path,
        cause: error,
      },
    );
  }
  return code.language === 'assemblyscript'
    ? compileAssemblyScript(root, code.path)
    : compileTypeScript(root, code.path, {
        exports: provider.exports,
        imports: provider.requests.map(({ capability }) => capability),
      });
}

/** At the line of the provider's list that has to change. */
function interfaceProblem(packFile: PackFile, index: number, fault: InterfaceFault): Problem {
  const key = fault.kind.startsWith('request')
    ? 'requests'
    : fault.kind === 'import_foreign'
      ? 'source'
      : 'exports';
  const { yaml } = packFile;
  return {
    code: 'pack_interface_mismatch',
    message: fault.message,
    cure: fault.cure,
    file: yaml.file,
    ...yaml.at(['providers', index, key]),
  };
}
