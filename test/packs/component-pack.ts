import { readPack } from '../../host/pack/read-pack.ts';
import { loadSchemaCompiler } from '../../host/sandbox/json-schema.ts';
import { type Component, componentFactory } from '../sdk/component.ts';
import type { HostFunctions } from '../sdk/guest.ts';
import { type PackName, packFile } from '../system/packs.ts';

/** A pack of ours in TypeScript, under its public contract and without a host. */
export interface ComponentPack {
  /** With that config, and that host. */
  open(config: unknown, host: HostFunctions): Component;
  /** What the schema of the config, or of an operation's input or output, says of a value; undefined where it matches. */
  fault(of: string, value: unknown): string | undefined;
}

export async function componentPack(name: PackName): Promise<ComponentPack> {
  const [provider] = (await readPack(await packFile(name))).providers;
  if (provider === undefined) throw new Error(`The pack ${name} has a provider.`);
  const { schemas } = provider;
  const compile = loadSchemaCompiler();
  const checks = new Map([['config', schemas?.config]]);
  for (const { name: operation, input, output } of schemas?.operations ?? []) {
    checks.set(operation, input).set(`${operation} output`, output);
  }
  const compiled = new Map([...checks].map(([of, schema]) => [of, schema && compile(schema)]));
  const instantiate = await componentFactory(provider.wasm, 'null');
  return {
    open: (config, host) => instantiate(JSON.stringify(config), host),
    fault: (of, value) => {
      const check = compiled.get(of);
      if (check === undefined) throw new Error(`There is no schema of ${of}.`);
      return check(JSON.stringify(value));
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
