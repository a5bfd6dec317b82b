import * as z from 'zod';
import { parseManifestShape } from '../pack/manifest.ts';
import { packId, packVersion } from '../pack/pack-words.ts';
import { listedComponents } from './component-paths.ts';
import { type FieldManifest, MAX_COMPONENTS, MAX_FIELD_TEXT, MAX_FLOWS, shown } from './field-manifest.ts';
import { readFlowFile } from './flow-file.ts';

/**
 * Manifests of the older model, `{ meta, flows, components }`: ids are texts, and the flows lie in files. What stands in
 * `manifest.json` beside it is the same once more, and is not read. Keys that nothing here reads are passed over.
 *
 * Source: greentic-pack, crates/greentic-pack/src/builder.rs.
 */

const name = z.string().min(1).max(256);
const path = z.string().min(1).max(MAX_FIELD_TEXT);

const metaShape = z.looseObject({
  meta: z.looseObject({
    pack_id: packId,
    version: packVersion,
    kind: z.string().max(64).nullish(),
    authors: z.array(z.string()).nullish(),
    vendor: z.string().nullish(),
  }),
  flows: z
    .array(
      z.looseObject({
        id: name,
        entry: z.string().max(256),
        file_yaml: path.nullish(),
        file_json: path.nullish(),
      }),
    )
    .max(MAX_FLOWS),
  components: z
    .array(z.looseObject({ name, version: z.string().max(64), file_wasm: path }))
    .max(MAX_COMPONENTS),
});

/** @throws GtpackError `manifest_invalid`, `pack_component_missing` */
export function readMetaManifest(
  value: unknown,
  entries: ReadonlyMap<string, Uint8Array>,
  file: string,
): FieldManifest {
  const { meta, flows, components } = parseManifestShape(metaShape, value, file);
  const listed = components.map((component) => ({
    id: component.name,
    version: component.version,
    path: component.file_wasm,
    operations: [],
    secrets: [],
  }));
  const nothing = { operations: new Map(), sources: new Map() };
  return {
    id: meta.pack_id,
    version: meta.version,
    kind: meta.kind ?? null,
    publisher: shown(meta.vendor ?? (meta.authors ?? []).join(', ')) || null,
    components: listedComponents(listed, nothing, entries, file),
    flows: flows.map(({ id, entry, file_json, file_yaml }) =>
      readFlowFile(
        { id, entry, paths: [file_json, file_yaml].filter((each) => each !== null && each !== undefined) },
        entries,
      ),
    ),
    secrets: [],
  };
}
