import * as z from 'zod';
import { PLUGIN_PACKAGE, PLUGIN_VERSION } from '../contract.ts';
import { GtpackError, type Problem } from '../errors.ts';
import type { Json, JsonObject } from '../event/json.ts';
import { quoted } from '../event/names.ts';
import type { ArchiveLimits } from './archive-limits.ts';
import type { VerifiedArchive } from './archive-reader.ts';
import { CborFault, decodeCbor, encodeCbor } from './cbor.ts';
import {
  operationShape,
  packId,
  packVersion,
  plainText,
  pluginExport,
  providerId,
  providerKind,
  requestShape,
  schemaPath,
  unique,
} from './pack-words.ts';

/**
 * `manifest.cbor` in the model `pack-v1` of the format in the field: ids of components, nodes, capabilities and packs
 * stand in symbol tables, and everything else names them by their index.
 *
 * What that model has no place for, the providers and what they ask for, stands in an extension of the manifest, which
 * other readers pass over.
 */

export const MANIFEST_PATH = 'manifest.cbor';
export const MANIFEST_MODEL = 'pack-v1';
export const PROVIDERS_EXTENSION = 'gtpack.providers.v1';

const MAX_PROVIDERS = 100;
const MAX_LISTED = 200;

const providerSchema = z.strictObject({
  id: providerId,
  kind: providerKind,
  /** Path of the WebAssembly in the archive. */
  component: z.string(),
  exports: z.array(pluginExport).superRefine(unique((name) => name, 'The export')),
  config_schema: schemaPath.optional(),
  operations: z
    .array(z.strictObject(operationShape))
    .max(MAX_LISTED)
    .superRefine(unique(({ name }) => name, 'The operation')),
  requests: z
    .array(z.strictObject(requestShape))
    .max(MAX_LISTED)
    .superRefine(unique(({ capability }) => capability, 'The request for')),
});

const providersSchema = z.strictObject({
  providers: z
    .array(providerSchema)
    .max(MAX_PROVIDERS)
    .superRefine(unique(({ id }) => id, 'The provider')),
});

export type ManifestProvider = z.infer<typeof providerSchema>;

const symbolIndex = z.int().min(0).max(0xffff_ffff);

/** Keys that are not listed are passed over, as the format asks of its readers. */
const encodedSchema = z.object({
  schema_version: z.literal(MANIFEST_MODEL),
  pack_id: z.union([symbolIndex, packId]),
  version: packVersion,
  kind: z.enum(['application', 'provider', 'infrastructure', 'library']),
  publisher: plainText,
  symbols: z.object({
    component_ids: z.array(packId),
    node_ids: z.array(z.string()),
    capability_names: z.array(z.string()),
    pack_ids: z.array(packId),
  }),
  components: z.array(z.object({ id: symbolIndex, world: z.string() })),
  flows: z.array(z.object({ id: z.string(), flow: z.object({ nodes: z.array(z.unknown()) }) })),
  extensions: z
    .record(z.string(), z.object({ kind: z.string(), version: z.string(), inline: z.unknown().optional() }))
    .optional(),
});

export interface Manifest {
  readonly id: string;
  readonly version: string;
  readonly kind: z.infer<typeof encodedSchema>['kind'];
  readonly publisher: string;
  readonly components: readonly { readonly id: string; readonly world: string }[];
  /** Flows inside the manifest, in the model of the field. */
  readonly flows: readonly { readonly id: string; readonly nodes: number }[];
  /** Undefined without this host's extension. */
  readonly providers: readonly ManifestProvider[] | undefined;
}

/** The manifest's value, whatever its model. @throws GtpackError `manifest_missing`, `manifest_invalid` */
export function decodeManifest(archive: VerifiedArchive, limits: ArchiveLimits): unknown {
  const bytes = archive.entries.get(MANIFEST_PATH);
  if (bytes === undefined) {
    throw new GtpackError('manifest_missing', `The archive has no ${MANIFEST_PATH}.`, {
      file: archive.file,
      cure: 'It is no pack, or one of the oldest model, which is not read; build it again.',
    });
  }
  const file = `${archive.file}!${MANIFEST_PATH}`;
  if (bytes.length > limits.maxManifestBytes) {
    throw new GtpackError(
      'manifest_invalid',
      `The manifest is ${bytes.length} bytes long; at most ${limits.maxManifestBytes} are read.`,
      { file },
    );
  }
  try {
    return decodeCbor(bytes);
  } catch (error) {
    if (!(error instanceof CborFault)) throw error;
    throw new GtpackError(
      'manifest_invalid',
      `The manifest is not CBOR as packs hold it: ${error.message}.`,
      { file },
    );
  }
}

/** Which model a manifest follows: `pack-v1`, the older `meta`, or unknown. */
export function manifestModel(value: unknown): 'pack-v1' | 'meta' | 'unknown' {
  if (typeof value !== 'object' || value === null) return 'unknown';
  if ('schema_version' in value && value.schema_version === MANIFEST_MODEL) return 'pack-v1';
  return 'meta' in value && 'flows' in value ? 'meta' : 'unknown';
}

/** Whether a manifest says which providers of this host the pack holds; others were made for other hosts. */
export function hasOwnProviders(value: unknown): boolean {
  const extensions =
    typeof value === 'object' && value !== null && 'extensions' in value ? value.extensions : null;
  return (
    typeof extensions === 'object' && extensions !== null && Object.hasOwn(extensions, PROVIDERS_EXTENSION)
  );
}

/** @throws GtpackError `manifest_invalid`, `manifest_unsupported` */
export function parseManifest(value: unknown, file: string): Manifest {
  const model = manifestModel(value);
  if (model === 'meta') {
    throw new GtpackError(
      'manifest_unsupported',
      'The manifest is of the older model { meta, flows, components }, which holds no providers of this host.',
      { file, cure: 'Build the pack again with a builder that writes the model pack-v1.' },
    );
  }
  const encoded = parseManifestShape(encodedSchema, value, file);
  const { symbols } = encoded;
  const extension = encoded.extensions?.[PROVIDERS_EXTENSION];
  if (extension !== undefined && extension.inline === undefined) {
    throw new GtpackError('manifest_invalid', `The extension ${PROVIDERS_EXTENSION} holds nothing inline.`, {
      file,
    });
  }
  const providers =
    extension === undefined
      ? undefined
      : parseManifestShape(providersSchema, extension.inline, file).providers;
  return {
    id:
      typeof encoded.pack_id === 'string'
        ? encoded.pack_id
        : symbol(symbols.pack_ids, encoded.pack_id, 'pack_ids', file),
    version: encoded.version,
    kind: encoded.kind,
    publisher: encoded.publisher,
    components: encoded.components.map(({ id, world }) => ({
      id: symbol(symbols.component_ids, id, 'component_ids', file),
      world,
    })),
    flows: encoded.flows.map(({ id, flow }) => ({ id, nodes: flow.nodes.length })),
    providers,
  };
}

function symbol(table: readonly string[], index: number, name: string, file: string): string {
  const text = table[index];
  if (text !== undefined) return text;
  throw new GtpackError(
    'manifest_invalid',
    `The index ${index} points past the ${table.length} entries of symbols.${name}.`,
    { file },
  );
}

const MAX_PROBLEMS = 20;

/** Checks a manifest, or a part of one. @throws GtpackError `manifest_invalid`, with at most 20 problems */
export function parseManifestShape<T>(schema: z.ZodType<T>, value: unknown, file: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [first, ...rest] = parsed.error.issues.slice(0, MAX_PROBLEMS).map(
    (issue): Problem => ({
      code: 'manifest_invalid',
      message: `${quoted(issue.path.length === 0 ? 'the manifest' : issue.path.join('.'))}: ${issue.message}`,
      file,
    }),
  );
  throw first === undefined
    ? new GtpackError('manifest_invalid', 'The manifest has another shape.', { file })
    : GtpackError.ofProblems([first, ...rest]);
}

/** What a manifest is made from. */
export interface ManifestContent {
  readonly id: string;
  readonly version: string;
  readonly publisher: string;
  readonly providers: readonly ManifestProvider[];
}

/** The same content gives the same bytes. */
export function encodeManifest(content: ManifestContent): Uint8Array {
  const componentIds = content.providers.map(({ id }) => id).sort();
  const manifest: JsonObject = {
    schema_version: MANIFEST_MODEL,
    pack_id: 0,
    version: content.version,
    kind: content.providers.length > 0 ? 'provider' : 'application',
    publisher: content.publisher,
    symbols: { component_ids: componentIds, node_ids: [], capability_names: [], pack_ids: [content.id] },
    components: content.providers.map((provider) =>
      component(componentIds.indexOf(provider.id), content.version, provider),
    ),
    flows: [],
    dependencies: [],
    capabilities: [],
    signatures: { signatures: [] },
    extensions: {
      [PROVIDERS_EXTENSION]: {
        kind: PROVIDERS_EXTENSION,
        version: '1.0.0',
        inline: { providers: content.providers.map(providerJson) },
      },
    },
  };
  return encodeCbor(manifest);
}

/** A provider as the field's model describes a component: no WASI, and of the host what its requests say. */
function component(index: number, version: string, provider: ManifestProvider): Json {
  const requests = new Set(provider.requests.map(({ capability }) => capability));
  const host: Record<string, Json> = {
    events: { inbound: provider.exports.includes('handle'), outbound: true },
  };
  if (requests.has('http')) host.http = { client: true, server: false };
  if (requests.has('state')) host.state = { read: true, write: true };
  return {
    id: index,
    version,
    supports: ['event'],
    world: `${PLUGIN_PACKAGE}/provider@${PLUGIN_VERSION}`,
    profiles: { supported: [] },
    capabilities: { wasi: { random: false, clocks: false }, host },
    configurators: null,
    // Of an operation's input and output any JSON is known, which is what an empty schema says.
    operations: provider.operations.map(({ name }) => ({ name, input_schema: {}, output_schema: {} })),
    config_schema: null,
    resources: {},
    dev_flows: {},
  };
}

function providerJson(provider: ManifestProvider): Json {
  return {
    id: provider.id,
    kind: provider.kind,
    component: provider.component,
    exports: provider.exports,
    ...(provider.config_schema === undefined ? {} : { config_schema: provider.config_schema }),
    operations: provider.operations.map(({ name, description, input_schema, output_schema }) => ({
      name,
      description,
      ...(input_schema === undefined ? {} : { input_schema }),
      ...(output_schema === undefined ? {} : { output_schema }),
    })),
    requests: provider.requests.map(({ capability, reason, optional }) => ({
      capability,
      reason,
      ...(optional === true ? { optional } : {}),
    })),
  };
}
