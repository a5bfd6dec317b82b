import { errorMessage, GtpackError, type Problem } from '../errors.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import { readYaml } from '../yaml.ts';
import type { ArchiveLimits } from './archive-limits.ts';
import { readArchive, type VerifiedArchive } from './archive-reader.ts';
import {
  decodeManifest,
  MANIFEST_PATH,
  type Manifest,
  type ManifestProvider,
  manifestModel,
  parseManifest,
} from './manifest.ts';
import type { CapabilityRequest } from './pack.ts';
import { readArchiveFile } from './pack-file.ts';
import { compareInterface, pluginInterface } from './plugin-interface.ts';
import { verifiedSbom } from './read-pack.ts';
import { compareSbom, readSbom, SBOM_PATH, SIGNATURES_FOLDER } from './sbom.ts';
import { readSchemas } from './schema-files.ts';
import { soundKey, verifySignature } from './signature.ts';
import { readWasmInterface, type WasmInterface, type WasmKind } from './wasm-interface.ts';

/** What `gtpack pack inspect FILE --json` prints. */
export interface PackReport {
  /** Whether the pack can be read and holds what it says; the signature stands for itself. */
  readonly ok: boolean;
  readonly model: 'pack-v1' | 'meta' | 'unknown';
  readonly pack_id: string | null;
  readonly version: string | null;
  readonly kind: string | null;
  readonly publisher: string | null;
  readonly components: readonly ComponentReport[];
  readonly flows: readonly FlowReport[];
  readonly requests: readonly RequestReport[];
  readonly schemas: readonly SchemaReport[];
  readonly sbom: {
    readonly present: boolean;
    readonly ok: boolean;
    readonly problems: readonly ReportProblem[];
  };
  readonly signature: {
    readonly present: boolean;
    readonly ok: boolean;
    readonly fingerprint: string | null;
    readonly problems: readonly ReportProblem[];
  };
  readonly problems: readonly ReportProblem[];
}

export interface ComponentReport {
  readonly id: string;
  /** By its bytes; null where they are missing or not read. */
  readonly kind: WasmKind | null;
  readonly imports: readonly string[];
  readonly exports: readonly string[];
  /** In bytes; null where the archive does not hold it. */
  readonly size: number | null;
}

export interface FlowReport {
  readonly id: string;
  /** How many; null where the file is not read as a flow. */
  readonly nodes: number | null;
}

export interface RequestReport extends CapabilityRequest {
  readonly provider: string;
}

/** A JSON Schema that a provider names. */
export interface SchemaReport {
  readonly provider: string;
  /** `config`, or `NAME input` and `NAME output` of an operation. */
  readonly of: string;
  readonly path: string;
}

export interface ReportProblem {
  readonly code: string;
  readonly message: string;
}

/**
 * Reports on any ZIP with a manifest, also one that this host would not start.
 * @throws GtpackError where there is nothing to read: no file, no ZIP, no manifest
 */
export async function inspectPack(file: string, limits: ArchiveLimits = DEFAULT_LIMITS): Promise<PackReport> {
  const archive = await readArchive(await readArchiveFile(file, limits), file, limits);
  const value = decodeManifest(archive, limits);
  const problems: ReportProblem[] = [];
  const manifest = attempt(() => parseManifest(value, `${file}!${MANIFEST_PATH}`), problems);
  const components = manifest === undefined ? [] : componentReports(manifest, archive, problems);
  if (manifest !== undefined && manifest.providers === undefined) {
    problems.push({
      code: 'manifest_unsupported',
      message: 'The pack was made for another host: it lists no providers of this one.',
    });
  }
  const sbom = await sbomReport(archive, limits);
  const schemas = (manifest?.providers ?? []).flatMap((provider) =>
    schemaReports(provider, archive, problems),
  );
  return {
    ok: problems.length === 0 && sbom.ok,
    model: manifestModel(value),
    pack_id: manifest?.id ?? null,
    version: manifest?.version ?? null,
    kind: manifest?.kind ?? null,
    publisher: manifest?.publisher ?? null,
    components,
    flows: [...(manifest?.flows ?? []), ...flowFiles(archive, problems)],
    requests: (manifest?.providers ?? []).flatMap(({ id, requests }) =>
      requests.map(({ capability, reason }) => ({ provider: id, capability, reason })),
    ),
    schemas,
    sbom,
    signature: await signatureReport(archive, limits),
    problems,
  };
}

function schemaReports(
  provider: ManifestProvider,
  archive: VerifiedArchive,
  problems: ReportProblem[],
): SchemaReport[] {
  attempt(() => readSchemas(provider, (path) => archive.entries.get(path), archive.file), problems);
  const named: readonly (readonly [of: string, path: string | undefined])[] = [
    ['config', provider.config_schema],
    ...provider.operations.flatMap(
      ({ name, input_schema, output_schema }) =>
        [
          [`${name} input`, input_schema],
          [`${name} output`, output_schema],
        ] as const,
    ),
  ];
  return named.flatMap(([of, path]) => (path === undefined ? [] : [{ provider: provider.id, of, path }]));
}

/** Runs a step of reading; what it throws becomes problems of the report. */
function attempt<T>(step: () => T, problems: ReportProblem[]): T | undefined {
  try {
    return step();
  } catch (error) {
    if (!(error instanceof GtpackError)) throw error;
    problems.push(...error.problems.map(reportProblem));
    return undefined;
  }
}

function reportProblem({ code, message }: Problem): ReportProblem {
  return { code, message };
}

/** Components by the manifest, then those that only a provider names. */
function componentReports(
  manifest: Manifest,
  archive: VerifiedArchive,
  problems: ReportProblem[],
): ComponentReport[] {
  const providers = manifest.providers ?? [];
  const paths = new Map(manifest.components.map(({ id }) => [id, `components/${id}.wasm`]));
  for (const { id, component } of providers) paths.set(id, component);
  return [...paths].map(([id, path]) => {
    const wasm = archive.entries.get(path);
    if (wasm === undefined) {
      problems.push({
        code: 'pack_component_missing',
        message: `The component ${JSON.stringify(path)} is not in the archive.`,
      });
      return { id, kind: null, imports: [], exports: [], size: null };
    }
    const read = attempt(() => readWasmInterface(wasm, `${archive.file}!${path}`), problems);
    if (read === undefined) return { id, kind: null, imports: [], exports: [], size: wasm.length };
    const provider = providers.find((candidate) => candidate.id === id);
    if (provider !== undefined) {
      const faults = compareInterface(provider, pluginInterface(read));
      problems.push(...faults.map(({ message }) => ({ code: 'pack_interface_mismatch', message })));
    }
    return { id, kind: read.kind, ...interfaceNames(read), size: wasm.length };
  });
}

/** Each interface or function once, as the binary names it. */
function interfaceNames(read: WasmInterface): Pick<ComponentReport, 'imports' | 'exports'> {
  const imports = read.imports.map(({ module, name }) => (name === '' ? module : `${module}#${name}`));
  const exports = read.exports.map(({ name }) => name);
  return { imports: [...new Set(imports)], exports: [...new Set(exports)] };
}

/** Flows that lie beside the manifest. What makes a flow sound is the flow room's to say. */
function flowFiles(archive: VerifiedArchive, problems: ReportProblem[]): FlowReport[] {
  return [...archive.entries]
    .filter(([path]) => path.startsWith('flows/') && path.endsWith('.ygtc'))
    .map(([path, content]) => {
      const value = attempt(
        () => readYaml(Buffer.from(content).toString('utf8'), `${archive.file}!${path}`).value,
        problems,
      );
      const flow = typeof value === 'object' && value !== null ? value : {};
      const name =
        'name' in flow && typeof flow.name === 'string'
          ? flow.name
          : path.slice('flows/'.length, -'.ygtc'.length);
      return { id: name, nodes: 'nodes' in flow && Array.isArray(flow.nodes) ? flow.nodes.length : null };
    });
}

async function sbomReport(archive: VerifiedArchive, limits: ArchiveLimits): Promise<PackReport['sbom']> {
  try {
    const sbom = readSbom(archive, limits);
    if (sbom === undefined) {
      const problem = { code: 'sbom_missing', message: `The archive has no ${SBOM_PATH}.` };
      return { present: false, ok: false, problems: [problem] };
    }
    const problems = (await compareSbom(sbom.sbom, archive)).map(reportProblem);
    return { present: true, ok: problems.length === 0, problems };
  } catch (error) {
    const problems =
      error instanceof GtpackError
        ? error.problems.map(reportProblem)
        : [{ code: 'sbom_invalid', message: errorMessage(error) }];
    return { present: true, ok: false, problems };
  }
}

/** Of a pack without a sound SBOM nothing is signed that could be known. */
async function signatureReport(
  archive: VerifiedArchive,
  limits: ArchiveLimits,
): Promise<PackReport['signature']> {
  const present = [...archive.entries.keys()].some((path) => path.startsWith(SIGNATURES_FOLDER));
  if (!present) return { present, ok: false, fingerprint: null, problems: [] };
  try {
    const verdict = await verifySignature(archive, await verifiedSbom(archive, limits));
    const key = soundKey(verdict);
    return { present, ok: key !== null, fingerprint: key?.fingerprint ?? null, problems: [] };
  } catch (error) {
    if (!(error instanceof GtpackError)) throw error;
    return { present, ok: false, fingerprint: null, problems: error.problems.map(reportProblem) };
  }
}
