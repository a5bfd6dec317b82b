import type { ProviderSchemas, SchemaText } from '../contract.ts';
import { GtpackError } from '../errors.ts';
import { parseBoundedJson } from '../event/json-bounds.ts';
import { quoted } from '../event/names.ts';
import type { PackOperation } from './pack.ts';

/** What is read of a schema here is its size and that it is JSON: compiling it runs code, and happens in a cell. */
const BOUNDS = { maxBytes: 64 * 1024, maxDepth: 32, maxElements: 10_000 };
const MAX_TOTAL_BYTES = 1024 * 1024;

/**
 * The JSON Schemas that a provider names, as texts.
 * @param contentOf a file of the archive
 * @throws GtpackError `pack_schema_invalid`
 */
export function readSchemas(
  provider: { readonly config_schema?: string | undefined; readonly operations: readonly PackOperation[] },
  contentOf: (path: string) => Uint8Array | undefined,
  file: string,
): ProviderSchemas | undefined {
  let total = 0;
  const read = (path: string | undefined): SchemaText | undefined => {
    if (path === undefined) return undefined;
    const text = schemaText(path, contentOf(path), file);
    total += text.length;
    if (total > MAX_TOTAL_BYTES) {
      throw invalid(
        `The schemas of a provider are longer than ${MAX_TOTAL_BYTES} characters together.`,
        file,
      );
    }
    return { path, text };
  };
  const config = read(provider.config_schema);
  const operations = provider.operations.flatMap(({ name, input_schema, output_schema }) => {
    const input = read(input_schema);
    const output = read(output_schema);
    return input === undefined && output === undefined ? [] : [{ name, input, output }];
  });
  return config === undefined && operations.length === 0 ? undefined : { config, operations };
}

function schemaText(path: string, content: Uint8Array | undefined, file: string): string {
  if (content === undefined) throw invalid(`The schema ${quoted(path)} is not in the archive.`, file);
  const place = `${file}!${path}`;
  if (content.length > BOUNDS.maxBytes) {
    throw invalid(
      `The schema is ${content.length} bytes long; at most ${BOUNDS.maxBytes} are allowed.`,
      place,
    );
  }
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(content);
    value = parseBoundedJson(text, BOUNDS, 'The schema');
  } catch (error) {
    throw invalid(error instanceof GtpackError ? error.problems[0].message : 'It is not UTF-8 text.', place);
  }
  if (typeof value === 'boolean' || (typeof value === 'object' && value !== null && !Array.isArray(value)))
    return text;
  throw invalid('A schema is a JSON object, true or false.', place);
}

function invalid(message: string, file: string): GtpackError {
  return new GtpackError('pack_schema_invalid', message, { file });
}
