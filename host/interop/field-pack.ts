import { GtpackError, type Problem } from '../errors.ts';
import { parseBoundedJson } from '../event/json-bounds.ts';
import type { VerifiedArchive } from '../pack/archive-reader.ts';
import { MANIFEST_PATH, manifestModel } from '../pack/manifest.ts';
import type { CapabilityRequest, PackFlow, PackProvider } from '../pack/pack.ts';
import { operationName } from '../pack/pack-words.ts';
import { readWasmInterface, type WasmInterface } from '../pack/wasm-interface.ts';
import { capabilitiesOf, type FieldAdapter, fieldAdapterOf, isFieldAdapter } from './field-adapter.ts';
import { type FieldComponent, type FieldManifest, shown } from './field-manifest.ts';
import { isFieldMap } from './field-node.ts';
import { convertFlow } from './flow-conversion.ts';
import { readMetaManifest } from './meta-manifest.ts';
import { readSymbolManifest } from './symbol-manifest.ts';
import { TokenSet, tokenOf } from './token-set.ts';

/** A pack that was made for other hosts of the format, read as far as it can be. */
export interface FieldPack {
  readonly manifest: FieldManifest;
  readonly parts: readonly FieldPart[];
  readonly flows: readonly PackFlow[];
  /** What of it this host leaves out or changes, one sentence each. */
  readonly remarks: readonly string[];
}

/** A component in the archive, and what it became. */
export interface FieldPart {
  readonly component: FieldComponent;
  readonly provider: PackProvider;
  /** Null for bytes that are no WebAssembly as it is read here. */
  readonly wasm: WasmInterface | null;
}

/** @throws GtpackError `manifest_invalid`, `pack_component_missing` */
export function readFieldPack(archive: VerifiedArchive, value: unknown): FieldPack {
  const { entries } = archive;
  const file = `${archive.file}!${MANIFEST_PATH}`;
  const manifest = readModel(value, entries, file);
  const remarks: string[] = [];
  const secrets = [...manifest.secrets, ...secretsOfAssets(entries)];
  const tokens = new TokenSet(MAX_PROVIDER_ID);
  const parts = manifest.components.flatMap((component) => {
    const wasm = component.path === null ? undefined : entries.get(component.path);
    if (wasm === undefined) {
      remarks.push(`The component ${shown(component.id)} is not in the archive, and this host fetches none.`);
      return [];
    }
    return [fieldPart(component, tokens.take(component.id), wasm, secrets, archive.file, remarks)];
  });
  const flows = convertedFlows(manifest, parts, remarks);
  return { manifest, parts, flows, remarks };
}

/** As providers are called everywhere. */
const MAX_PROVIDER_ID = 63;

function readModel(value: unknown, entries: ReadonlyMap<string, Uint8Array>, file: string): FieldManifest {
  switch (manifestModel(value)) {
    case 'pack-v1':
      return readSymbolManifest(value, entries, file);
    case 'meta':
      return readMetaManifest(value, entries, file);
    case 'unknown':
      throw new GtpackError(
        'manifest_invalid',
        'The manifest follows neither the model pack-v1 nor the older { meta, flows, components }.',
        { file },
      );
  }
}

function fieldPart(
  component: FieldComponent,
  id: string,
  wasm: Uint8Array,
  packSecrets: readonly string[],
  file: string,
  remarks: string[],
): FieldPart {
  const path = component.path ?? '';
  const provider: PackProvider = {
    id,
    kind: 'custom',
    model: 'field',
    component: path,
    wasm,
    exports: ['invoke'],
    operations: component.operations
      .filter((name) => operationName.safeParse(name).success)
      .map((name) => ({ name, description: `${name} of ${shown(component.id)}, as its manifest lists it` })),
    requests: [],
  };
  const unfit = (problem: Pick<Problem, 'message'>): void => {
    remarks.push(`The provider ${id} cannot be run: ${problem.message}`);
  };
  let read: WasmInterface;
  try {
    read = readWasmInterface(wasm, `${file}!${path}`);
  } catch (error) {
    if (!(error instanceof GtpackError)) throw error;
    unfit(error.problems[0]);
    return { component, provider, wasm: null };
  }
  const adapter = fieldAdapterOf(read);
  if (!isFieldAdapter(adapter)) {
    for (const fault of adapter) unfit(fault);
    return { component, provider, wasm: read };
  }
  const requests = requestsOf(adapter, component, packSecrets);
  return { component, provider: { ...provider, requests }, wasm: read };
}

const MAX_REASON = 400;

/** Nobody wrote down why: what is known is what the component imports, and which secrets the pack names. */
function requestsOf(
  adapter: FieldAdapter,
  component: FieldComponent,
  packSecrets: readonly string[],
): CapabilityRequest[] {
  const imported = [...new Set(adapter.imports.map(({ instance }) => instance))];
  const secrets = [...new Set([...component.secrets, ...packSecrets])];
  return capabilitiesOf(adapter).map((capability) => {
    const named =
      capability === 'secrets' && secrets.length > 0 ? `; the pack names ${secrets.join(', ')}` : '';
    return { capability, reason: shown(`the component imports ${imported.join(', ')}${named}`, MAX_REASON) };
  });
}

const SECRETS_PATH = 'assets/secret-requirements.json';
const SECRETS_BOUNDS = { maxBytes: 64 * 1024, maxDepth: 16, maxElements: 5000 };

/** Keys that a pack names beside its manifest; what cannot be read says nothing. */
function secretsOfAssets(entries: ReadonlyMap<string, Uint8Array>): string[] {
  const content = entries.get(SECRETS_PATH);
  if (content === undefined || content.length > SECRETS_BOUNDS.maxBytes) return [];
  try {
    const value = parseBoundedJson(Buffer.from(content).toString('utf8'), SECRETS_BOUNDS, SECRETS_PATH);
    if (!Array.isArray(value)) return [];
    return value.flatMap((item: unknown) =>
      isFieldMap(item) && typeof item.key === 'string' ? [item.key] : [],
    );
  } catch (error) {
    if (error instanceof GtpackError) return [];
    throw error;
  }
}

/** Both are part of names and of event types, which have bounds. */
const MAX_PACK_TOKEN = 30;
const MAX_FLOW_TOKEN = 32;

function convertedFlows(
  { id, version, flows }: FieldManifest,
  parts: readonly FieldPart[],
  remarks: string[],
): PackFlow[] {
  const pack = tokenOf(id, MAX_PACK_TOKEN);
  // No event's type ends so.
  const tokens = new TokenSet(MAX_FLOW_TOKEN, ['result']);
  const providers = new Map(parts.map(({ component, provider }) => [component.id, provider.id]));
  const empty = flows.filter(({ nodes, fault }) => nodes.length === 0 && fault === undefined);
  if (empty.length > 0) {
    remarks.push(
      shown(`Left out, since they hold no nodes: the flows ${empty.map((flow) => flow.id).join(', ')}.`, 400),
    );
  }
  return flows.flatMap((flow) => {
    const token = tokens.take(flow.id);
    if (empty.includes(flow)) return [];
    const { document, remarks: said } = convertFlow(flow, {
      name: `${pack}_${token}`,
      version,
      eventType: `flow.${pack}.${token}`,
      providerOf: (component) => providers.get(component),
    });
    const what = document === null ? 'is left out' : 'is not quite what it was';
    remarks.push(...said.map((remark) => `The flow ${shown(flow.id)} ${what}: ${remark}`));
    if (document === null) return [];
    return [{ path: flow.place, source: JSON.stringify(document, null, 2), isConverted: true as const }];
  });
}
