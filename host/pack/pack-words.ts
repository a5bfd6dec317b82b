import * as z from 'zod';
import { PLUGIN_EXPORTS, PLUGIN_IMPORTS } from '../contract.ts';
import { PROVIDER_KINDS } from './pack.ts';

/** The shapes that `pack.yaml` and the manifest share. */

const MAX_TEXT = 500;

/** Text for people's eyes: shown on terminals, so nothing in it may move the cursor or turn the writing around. */
export const plainText = z
  .string()
  .min(1, 'Expected a text, got an empty one.')
  .max(MAX_TEXT, `Expected at most ${MAX_TEXT} characters.`)
  .regex(/^[^\p{C}]*$/u, 'Expected one line without control or formatting characters.');

/** The identifiers of the format. */
export const packId = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,128}$/, 'Expected 1 to 128 of a to z, A to Z, 0 to 9, ".", "_" and "-".');

/** Part of a URL path, of an event's source and of a file name. */
export const providerId = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9_-]{0,62}$/,
    'Expected one token of a to z, 0 to 9, _ and -, starting with a letter or digit, at most 63 long.',
  );

/** Semantic Versioning 2.0.0; the expression is that of its specification. */
export const packVersion = z
  .string('Expected a version such as 1.2.0, as a text.')
  .max(64)
  .regex(
    /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?$/,
    'Expected a version such as 1.2.0.',
  );

export const operationName = z
  .string()
  .regex(
    /^[A-Za-z][A-Za-z0-9._-]{0,63}$/,
    'Expected a letter, then up to 63 of a to z, A to Z, 0 to 9, ".", "_" and "-".',
  );

/** A JSON Schema in the pack's folder for them. */
export const schemaPath = z
  .string()
  .regex(
    /^schemas\/(?:[A-Za-z0-9_-][A-Za-z0-9._-]*\/)*[A-Za-z0-9_-][A-Za-z0-9._-]*\.json$/,
    'Expected schemas/NAME.json.',
  );

/** An operation as `pack.yaml` and the manifest list it. */
export const operationShape = {
  name: operationName,
  description: plainText,
  input_schema: schemaPath.optional(),
  output_schema: schemaPath.optional(),
};

export const providerKind = z.enum(PROVIDER_KINDS);
export const pluginExport = z.enum(PLUGIN_EXPORTS);
export const pluginImport = z.enum(PLUGIN_IMPORTS);

/** What a provider asks for. */
export const requestShape = { capability: pluginImport, reason: plainText, optional: z.boolean().optional() };

/** Refuses a list in which two items have the same key. */
export function unique<T>(
  key: (item: T) => string,
  what: string,
): (items: T[], context: z.RefinementCtx<T[]>) => void {
  return (items, context) => {
    const seen = new Set<string>();
    items.forEach((item, index) => {
      const name = key(item);
      if (seen.has(name)) {
        context.addIssue({
          code: 'custom',
          path: [index],
          message: `${what} ${JSON.stringify(name)} is there twice.`,
          input: items,
        });
      }
      seen.add(name);
    });
  };
}
