import type * as z from 'zod';
import { type JsonSchema, jsonSchemaOf } from '../written/json-schema.ts';
import { configShapes, flowShape, nodeShape, triggerShapes } from './flow-file.ts';

/** What a `.ygtc` file may hold, as far as a schema says it: targets, expressions and templates are texts here. */
export function flowSchema(): JsonSchema {
  const flow = jsonSchemaOf(flowShape);
  const { nodes, triggers } = flow.properties as Record<'nodes' | 'triggers', JsonSchema>;
  return {
    ...flow,
    properties: {
      ...flow.properties,
      nodes: { ...nodes, items: byType(jsonSchemaOf(nodeShape), entriesOf(configShapes, withConfig)) },
      triggers: {
        ...triggers,
        items: byType(
          { type: 'object' },
          entriesOf(triggerShapes, (schema) => schema),
        ),
      },
    },
  };
}

function entriesOf(
  shapes: Readonly<Record<string, z.ZodType>>,
  make: (schema: JsonSchema) => JsonSchema,
): [type: string, schema: JsonSchema][] {
  return Object.entries(shapes).map(([type, shape]) => [type, make(jsonSchemaOf(shape))]);
}

function withConfig(config: JsonSchema): JsonSchema {
  const isNeeded = (config.required ?? []).length > 0;
  return { properties: { config }, ...(isNeeded ? { required: ['config'] } : {}) };
}

/** Told apart by `type`, so that an editor speaks of the keys of the one that is meant. */
function byType(common: JsonSchema, cases: readonly [type: string, schema: JsonSchema][]): JsonSchema {
  return {
    ...common,
    properties: { ...common.properties, type: { enum: cases.map(([type]) => type) } },
    required: [...new Set([...(common.required ?? []), 'type'])],
    allOf: cases.map(([type, schema]) => ({
      if: { properties: { type: { const: type } }, required: ['type'] },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
      then: schema,
    })),
  };
}
