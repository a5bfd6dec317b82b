import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PluginExport, PluginImport } from '../../host/contract.ts';
import { compileTypeScript } from '../../host/pack/compile-typescript.ts';
import { loadSchemaCompiler } from '../../host/sandbox/json-schema.ts';
import { type Component, componentFactory } from '../sdk/component.ts';
import { cachedBuild, type HostFunctions, repositoryPath } from '../sdk/guest.ts';

/** A pack of ours in TypeScript, compiled, under its public contract and without a host. */
export interface ComponentPack {
  /** With that config, and that host. */
  open(config: unknown, host: HostFunctions): Component;
  /** What a schema of the pack says of a value; undefined where it matches. */
  fault(schema: string, value: unknown): Promise<string | undefined>;
}

export async function componentPack(
  folder: string,
  {
    exports,
    imports,
  }: { readonly exports: readonly PluginExport[]; readonly imports: readonly PluginImport[] },
): Promise<ComponentPack> {
  const wasm = await cachedBuild(folder, () =>
    compileTypeScript(repositoryPath(folder), 'provider.ts', { exports, imports }),
  );
  const compile = loadSchemaCompiler();
  const instantiate = await componentFactory(wasm, 'null');
  return {
    open: (config, host) => instantiate(JSON.stringify(config), host),
    fault: async (schema, value) => {
      const path = `schemas/${schema}.json`;
      const text = await readFile(join(repositoryPath(folder), path), 'utf8');
      return compile({ path, text })(JSON.stringify(value));
    },
  };
}

/** A request as a provider gets it. */
export function requestText(parts: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({
    handler: null,
    event_type: null,
    method: 'POST',
    path: '/',
    query: {},
    headers: {},
    body: '',
    body_encoding: 'utf8',
    verified: null,
    received_at: 1_790_000_000_000,
    ...parts,
  });
}

/** A body as the host hands it on: text if it is UTF-8. */
export function bodyParts(bytes: Uint8Array): { body: string; body_encoding: 'utf8' | 'base64' } {
  try {
    return {
      body: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes),
      body_encoding: 'utf8',
    };
  } catch {
    return { body: Buffer.from(bytes).toString('base64'), body_encoding: 'base64' };
  }
}
