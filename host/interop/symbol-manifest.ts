import * as z from 'zod';
import { GtpackError } from '../errors.ts';
import { parseManifestShape } from '../pack/manifest.ts';
import { packId, packVersion } from '../pack/pack-words.ts';
import { listedComponents } from './component-paths.ts';
import { extensionsOf } from './field-extensions.ts';
import { type FieldFlow, type FieldManifest, MAX_COMPONENTS, MAX_FLOWS, shown } from './field-manifest.ts';
import { asFieldJson, hasMapping } from './field-node.ts';
import { fieldRouting } from './field-routing.ts';

/**
 * Manifests of the model `pack-v1`: ids are indexes into symbol tables, or, where an encoder left the tables out, the
 * ids themselves. Keys that nothing here reads are passed over.
 *
 * Source: greentic-types, src/cbor and src/pack_manifest.rs.
 */

const idText = z.string().min(1).max(256);
const reference = z.union([z.int().min(0).max(0xffff_ffff), idText], 'Expected an id, or its index.');
type Reference = z.infer<typeof reference>;

const symbolList = z.array(idText).optional();
const mapping = z.looseObject({ mapping: z.unknown().optional() }).nullish();

const nodeShape = z.looseObject({
  id: reference.optional(),
  component: z.union([
    reference,
    z.looseObject({ id: reference, pack_alias: idText.nullish(), operation: idText.nullish() }),
  ]),
  input: mapping,
  in_map: mapping,
  output: mapping,
  out_map: mapping,
  err_map: mapping,
  error_output: mapping,
  routing: z.unknown().optional(),
});

const flowShape = z.looseObject({
  id: idText,
  flow: z.looseObject({
    entrypoints: z.record(z.string(), z.unknown()).nullish(),
    nodes: z.union([z.array(nodeShape), z.record(z.string(), nodeShape)], 'Expected the nodes of a flow.'),
  }),
});

const secretShape = z.looseObject({ key: idText });

const manifestShape = z.looseObject({
  pack_id: reference,
  version: packVersion,
  kind: z.string().max(64).nullish(),
  publisher: z.string().nullish(),
  symbols: z
    .looseObject({ component_ids: symbolList, node_ids: symbolList, pack_ids: symbolList })
    .optional(),
  components: z
    .array(
      z.looseObject({
        id: reference,
        version: z.string().max(64).nullish(),
        operations: z.array(z.looseObject({ name: z.string() })).nullish(),
        capabilities: z
          .looseObject({
            host: z
              .looseObject({
                secrets: z.looseObject({ required: z.array(secretShape).nullish() }).nullish(),
              })
              .nullish(),
          })
          .nullish(),
      }),
    )
    .max(MAX_COMPONENTS),
  flows: z.array(flowShape).max(MAX_FLOWS),
  secret_requirements: z.array(secretShape).nullish(),
  extensions: z.record(z.string(), z.unknown()).nullish(),
});

/**
 * @param entries files of the archive
 * @param file names the manifest in messages
 * @throws GtpackError `manifest_invalid`, `pack_component_missing`
 */
export function readSymbolManifest(
  value: unknown,
  entries: ReadonlyMap<string, Uint8Array>,
  file: string,
): FieldManifest {
  const encoded = parseManifestShape(manifestShape, value, file);
  const tables = encoded.symbols ?? {};
  const lookUp = (table: 'component_ids' | 'node_ids' | 'pack_ids', id: Reference): string => {
    if (typeof id === 'string') return id;
    const symbol = tables[table]?.[id];
    if (symbol !== undefined) return symbol;
    throw new GtpackError(
      'manifest_invalid',
      `The index ${id} points past the ${tables[table]?.length ?? 0} entries of symbols.${table}.`,
      { file },
    );
  };
  const id = lookUp('pack_ids', encoded.pack_id);
  if (!packId.safeParse(id).success) {
    throw new GtpackError('manifest_invalid', `"pack_id": ${JSON.stringify(shown(id))} is no id of a pack.`, {
      file,
    });
  }
  const extensions = extensionsOf(encoded.extensions ?? {});
  const components = encoded.components.map(({ id: component, version, operations, capabilities }) => ({
    id: lookUp('component_ids', component),
    version: version ?? null,
    operations: (operations ?? []).map(({ name }) => name),
    secrets: (capabilities?.host?.secrets?.required ?? []).map(({ key }) => key),
  }));
  return {
    id,
    version: encoded.version,
    kind: encoded.kind ?? null,
    publisher: shown(encoded.publisher ?? '') || null,
    components: listedComponents(components, extensions, entries, file),
    flows: encoded.flows.map((flow) => fieldFlow(flow, lookUp)),
    secrets: (encoded.secret_requirements ?? []).map(({ key }) => key),
  };
}

type LookUp = (table: 'component_ids' | 'node_ids', id: Reference) => string;

function fieldFlow({ id, flow }: z.infer<typeof flowShape>, lookUp: LookUp): FieldFlow {
  const nodes = Array.isArray(flow.nodes)
    ? flow.nodes.map((node) => [node.id, node] as const)
    : Object.entries(flow.nodes);
  return {
    id,
    place: `manifest.cbor, flow ${shown(id)}`,
    entrypoints: Object.entries(flow.entrypoints ?? {}).flatMap(([name, node]) =>
      typeof node === 'string' ? [[name, node] as const] : [],
    ),
    nodes: nodes.map(([key, node]) => {
      const component = typeof node.component === 'object' ? node.component : { id: node.component };
      return {
        id: lookUp('node_ids', node.id ?? key ?? ''),
        component: lookUp('component_ids', component.id),
        packAlias: component.pack_alias ?? null,
        operation: component.operation ?? null,
        input: asFieldJson((node.input ?? node.in_map)?.mapping ?? {}),
        mapsOutput: [node.output, node.out_map, node.err_map, node.error_output].some(hasMapping),
        routing: fieldRouting(node.routing, (target) => lookUp('node_ids', target)),
      };
    }),
  };
}
