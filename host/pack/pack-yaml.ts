import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import type { PluginExport } from '../contract.ts';
import { errorMessage, GtpackError, type Problem } from '../errors.ts';
import { closedObject, parseYamlShape, readYaml, type YamlFile } from '../yaml.ts';
import { pathFault } from './entry-path.ts';
import type { CapabilityRequest, PackOperation, ProviderKind } from './pack.ts';
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
import { FREE_IMPORTS, KIND_EXPORTS } from './plugin-interface.ts';

/** `pack.yaml`: what an author writes. */

export const PACK_YAML = 'pack.yaml';
export const LANGUAGES = ['assemblyscript', 'typescript'] as const;

export interface PackFile {
  readonly id: string;
  readonly version: string;
  readonly publisher: string;
  readonly providers: readonly ProviderFile[];
  /** For problems that are found later. */
  readonly yaml: YamlFile;
}

export interface ProviderFile {
  readonly id: string;
  readonly kind: ProviderKind;
  readonly code: ProviderCode;
  /** Declared, or what the kind and the operations ask for. */
  readonly exports: readonly PluginExport[];
  readonly config_schema: string | undefined;
  readonly operations: readonly PackOperation[];
  readonly requests: readonly CapabilityRequest[];
}

/** Where the WebAssembly comes from; paths are relative to the folder of `pack.yaml`. */
export type ProviderCode =
  | { readonly kind: 'wasm'; readonly path: string }
  | { readonly kind: 'source'; readonly path: string; readonly language: (typeof LANGUAGES)[number] };

const sourcePath = z.string().superRefine((path, context) => {
  const fault = pathFault(path);
  if (fault !== undefined) {
    context.addIssue({
      code: 'custom',
      message: `The path ${fault}; expected one inside the pack's folder.`,
      input: path,
    });
  }
});

const providerFileSchema = closedObject({
  id: providerId,
  kind: providerKind,
  language: z.enum(LANGUAGES).optional(),
  source: sourcePath.optional(),
  wasm: sourcePath.optional(),
  config_schema: schemaPath.optional(),
  exports: z
    .array(pluginExport)
    .superRefine(unique((name) => name, 'The export'))
    .optional(),
  operations: z
    .array(closedObject(operationShape))
    .superRefine(unique(({ name }) => name, 'The operation'))
    .default([]),
  requests: z
    .array(closedObject(requestShape))
    .superRefine(unique(({ capability }) => capability, 'The request for'))
    .default([]),
});

export const packFileSchema = closedObject({
  id: packId,
  version: packVersion,
  publisher: plainText,
  providers: z
    .array(providerFileSchema)
    .superRefine(unique(({ id }) => id, 'The provider'))
    .default([]),
});

/** @throws GtpackError `file_unreadable`, `yaml_invalid`, `pack_yaml_invalid` with every problem and its line */
export async function readPackFile(dir: string): Promise<PackFile> {
  const file = join(dir, PACK_YAML);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const missing =
      error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
    throw new GtpackError(
      'file_unreadable',
      missing ? `The folder has no ${PACK_YAML}.` : `The file cannot be read: ${errorMessage(error)}.`,
      { file, cure: 'A pack is built from a folder with a pack.yaml.', cause: error },
    );
  }
  const yaml = readYaml(text, file);
  const parsed = parseYamlShape(yaml, packFileSchema, 'pack_yaml_invalid');
  const problems: Problem[] = [];
  const providers = parsed.providers.map((provider, index) => {
    const tell = (key: string, message: string, cure: string): void => {
      problems.push({
        code: 'pack_yaml_invalid',
        message,
        cure,
        file,
        ...yaml.at(['providers', index, key]),
      });
    };
    const exports = provider.exports ?? defaultExports(provider.kind, provider.operations);
    checkProvider(provider, exports, tell);
    return {
      id: provider.id,
      kind: provider.kind,
      code: providerCode(provider),
      exports,
      config_schema: provider.config_schema,
      operations: provider.operations,
      requests: provider.requests,
    };
  });
  const [first, ...rest] = problems;
  if (first !== undefined) throw GtpackError.ofProblems([first, ...rest]);
  return { id: parsed.id, version: parsed.version, publisher: parsed.publisher, providers, yaml };
}

type ParsedProvider = z.infer<typeof providerFileSchema>;

function defaultExports(kind: ProviderKind, operations: readonly PackOperation[]): PluginExport[] {
  const own = KIND_EXPORTS[kind];
  return [...(own === undefined ? [] : [own]), ...(operations.length > 0 ? (['invoke'] as const) : [])];
}

function checkProvider(
  provider: ParsedProvider,
  exports: readonly PluginExport[],
  tell: (key: string, message: string, cure: string) => void,
): void {
  if ((provider.source === undefined) === (provider.wasm === undefined)) {
    tell(
      provider.source === undefined ? 'id' : 'wasm',
      `The provider "${provider.id}" needs either a source or a wasm, and has ${provider.source === undefined ? 'neither' : 'both'}.`,
      'Write source: PATH with its language, or wasm: PATH.',
    );
  }
  if (provider.source !== undefined && provider.language === undefined) {
    tell(
      'source',
      `The source of the provider "${provider.id}" has no language.`,
      `Add language: ${LANGUAGES.join(' or ')}.`,
    );
  }
  if (provider.wasm !== undefined && provider.language !== undefined) {
    tell(
      'language',
      `The provider "${provider.id}" brings its WebAssembly; nothing is compiled.`,
      'Take language out.',
    );
  }
  const own = KIND_EXPORTS[provider.kind];
  if (own !== undefined && !exports.includes(own)) {
    tell(
      'exports',
      `A provider of kind ${provider.kind} has to export "${own}".`,
      `Add ${own} to its exports.`,
    );
  }
  if (exports.includes('invoke') !== provider.operations.length > 0) {
    tell(
      provider.operations.length > 0 ? 'exports' : 'operations',
      provider.operations.length > 0
        ? `The provider "${provider.id}" lists operations and does not export "invoke", which runs them.`
        : `The provider "${provider.id}" exports "invoke" and lists no operation.`,
      provider.operations.length > 0
        ? 'Add invoke to its exports.'
        : 'List its operations: - { name: …, description: "…" }',
    );
  }
  if (exports.length === 0) {
    tell('kind', `The provider "${provider.id}" exports nothing.`, 'List its exports, or its operations.');
  }
  provider.requests.forEach(({ capability }, index) => {
    if (FREE_IMPORTS.includes(capability)) {
      tell(
        `requests`,
        `Request ${index + 1} asks for "${capability}", which needs no grant.`,
        'Take it out.',
      );
    }
  });
}

/** `checkProvider` has found every other case faulty. */
function providerCode(provider: ParsedProvider): ProviderCode {
  return provider.wasm === undefined
    ? { kind: 'source', path: provider.source ?? '', language: provider.language ?? 'assemblyscript' }
    : { kind: 'wasm', path: provider.wasm };
}
