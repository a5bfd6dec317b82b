import { errorMessage, GtpackError, type Problem } from '../errors.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import type { ArchiveLimits } from '../pack/archive-limits.ts';
import { readArchive, type VerifiedArchive } from '../pack/archive-reader.ts';
import {
  decodeManifest,
  hasOwnProviders,
  MANIFEST_PATH,
  type Manifest,
  type ManifestProvider,
  manifestModel,
  parseManifest,
} from '../pack/manifest.ts';
import type { CapabilityRequest } from '../pack/pack.ts';
import { readArchiveFile } from '../pack/pack-file.ts';
import { compareInterface, pluginInterface } from '../pack/plugin-interface.ts';
import { verifiedSbom } from '../pack/read-pack.ts';
import { compareSbom, readSbom, SBOM_PATH, SIGNATURES_FOLDER } from '../pack/sbom.ts';
import { readSchemas } from '../pack/schema-files.ts';
import { soundKey, verifySignature } from '../pack/signature.ts';
import { readWasmInterface, type WasmInterface } from '../pack/wasm-interface.ts';
import { readYaml } from '../yaml.ts';
import { readFieldPack } from './field-pack.ts';
import type {
  ComponentReport,
  FlowReport,
  PackReport,
  ReportProblem,
  RequestReport,
  SchemaReport,
} from './pack-report.ts';

/**
 * Reports on any ZIP with a manifest, also one that this host would not start.
 * @throws GtpackError where there is nothing to read: no file, no ZIP, no manifest
 */
export async function inspectPack(file: string, limits: ArchiveLimits = DEFAULT_LIMITS): Promise<PackReport> {
  const archive = await readArchive(await readArchiveFile(file, limits), file, limits);
  const value = decodeManifest(archive, limits);
  const problems: ReportProblem[] = [];
  const content = hasOwnProviders(value)
    ? ownContent(archive, value, problems)
    : fieldContent(archive, value, problems);
  const sbom = await sbomReport(archive, limits);
  return {
    ok: problems.length === 0 && sbom.ok,
    model: manifestModel(value),
    ...content,
    sbom,
    signature: await signatureReport(archive, limits),
    problems,
  };
}

/** What a manifest and its files say. */
type Content = Omit<PackReport, 'ok' | 'model' | 'sbom' | 'signature' | 'problems'>;

const NO_CONTENT: Content = {
  pack_id: null,
  version: null,
  kind: null,
  publisher: null,
  components: [],
  flows: [],
  requests: [],
  schemas: [],
  remarks: [],
};

function ownContent(archive: VerifiedArchive, value: unknown, problems: ReportProblem[]): Content {
  const flows = (): FlowReport[] => flowFiles(archive, problems);
  const manifest = attempt(() => parseManifest(value, `${archive.file}!${MANIFEST_PATH}`), problems);
  if (manifest === undefined) return { ...NO_CONTENT, flows: flows() };
  const { providers = [] } = manifest;
  return {
    pack_id: manifest.id,
    version: manifest.version,
    kind: manifest.kind,
    publisher: manifest.publisher,
    components: componentReports(manifest, archive, problems),
    schemas: providers.flatMap((provider) => schemaReports(provider, archive, problems)),
    flows: [...manifest.flows, ...flows()],
    requests: requestReports(providers),
    remarks: [],
  };
}

/** Of a pack that was made for other hosts: what keeps this one from running a part of it is no fault of the pack. */
function fieldContent(archive: VerifiedArchive, value: unknown, problems: ReportProblem[]): Content {
  const pack = attempt(() => readFieldPack(archive, value), problems);
  if (pack === undefined) return NO_CONTENT;
  const { manifest, parts, remarks } = pack;
  return {
    pack_id: manifest.id,
    version: manifest.version,
    kind: manifest.kind,
    publisher: manifest.publisher,
    components: manifest.components.map(({ id }) => {
      const part = parts.find(({ component }) => component.id === id);
      const names = part?.wasm ? interfaceNames(part.wasm) : { imports: [], exports: [] };
      return { id, kind: part?.wasm?.kind ?? null, ...names, size: part?.provider.wasm.length ?? null };
    }),
    flows: manifest.flows.map(({ id, nodes, fault }) => ({
      id,
      nodes: fault === undefined ? nodes.length : null,
    })),
    requests: requestReports(parts.map(({ provider }) => provider)),
    schemas: [],
    remarks,
  };
}

function requestReports(
  providers: readonly { readonly id: string; readonly requests: readonly CapabilityRequest[] }[],
): RequestReport[] {
  return providers.flatMap(({ id, requests }) =>
    requests.map(({ capability, reason, optional = false }) => ({
      ...{ provider: id, capability, reason, optional },
    })),
  );
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
