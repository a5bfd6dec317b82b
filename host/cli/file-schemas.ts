import { bundleFile } from '../bundle/bundle-file.ts';
import { flowSchema } from '../flow/flow-schema.ts';
import { packFileSchema } from '../pack/pack-yaml.ts';
import { DRAFT, type JsonSchema, jsonSchemaOf } from '../written/json-schema.ts';

export const SCHEMA_KINDS = ['bundle', 'flow', 'pack'] as const;
export type SchemaKind = (typeof SCHEMA_KINDS)[number];

const TITLES: Readonly<Record<SchemaKind, string>> = {
  bundle: 'A bundle of gtpack (bundle.yaml)',
  flow: 'A flow of gtpack (.ygtc)',
  pack: 'The source of a pack of gtpack (pack.yaml)',
};

/** The text of the JSON Schema of a kind of file, as `docs/schema` has it. */
export function schemaText(kind: SchemaKind): string {
  const schema: JsonSchema = { $schema: DRAFT, title: TITLES[kind], ...schemaOf(kind) };
  return JSON.stringify(schema, null, 2);
}

function schemaOf(kind: SchemaKind): JsonSchema {
  switch (kind) {
    case 'bundle':
      return jsonSchemaOf(bundleFile);
    case 'flow':
      return flowSchema();
    case 'pack':
      return jsonSchemaOf(packFileSchema);
  }
}
