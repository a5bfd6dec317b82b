import * as z from 'zod';

/** A JSON Schema, draft 2020-12. */
export type JsonSchema = z.core.JSONSchema.BaseSchema;

export const DRAFT = 'https://json-schema.org/draft/2020-12/schema';

/** The schema of what people write for a shape: before its texts are read, with the keys that it refuses refused. */
export function jsonSchemaOf(shape: z.ZodType): JsonSchema {
  const { $schema: _, ...schema } = z.toJSONSchema(shape, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      // A key that this version does not take.
      if (zodSchema._zod.def.type === 'undefined') jsonSchema.not = {};
    },
  });
  return schema;
}
