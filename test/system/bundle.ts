import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { beforeAll, onTestFinished } from 'vitest';
import { componentStore } from './component-store.ts';
import { type PackName, packFile } from './packs.ts';

// Compiling takes seconds on a cold cache, which no single test should pay with its time.
beforeAll(async () => {
  for (const name of ['events-webhook', 'events-timer'] as const) await packFile(name);
}, 120_000);

/** Where a bundle of the tests finds a pack. */
export const packPath = (name: PackName): string => `providers/events/${name}.gtpack`;

export interface BundleParts {
  /** `bundle.yaml`. */
  readonly yaml: string;
  /** Other files, by their path in the bundle's folder. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  /** Packs that are laid at `packPath`. */
  readonly packs?: readonly PackName[];
}

/** A fresh folder with a bundle, gone after the test. */
export async function writeBundle(parts: BundleParts): Promise<string> {
  const { path, remove } = await folderWith(parts);
  onTestFinished(remove);
  return path;
}

/** A fresh folder with a bundle, for whoever removes it. */
export async function folderWith({ yaml, files = {}, packs = ['events-webhook'] }: BundleParts): Promise<{
  readonly path: string;
  readonly remove: () => Promise<void>;
}> {
  const path = await mkdtemp(join(tmpdir(), 'gtpack-system-'));
  await put(path, { 'bundle.yaml': yaml, ...files });
  await mkdir(join(path, 'providers', 'events'), { recursive: true });
  await mkdir(join(path, '.gtpack', 'store'), { recursive: true });
  await symlink(componentStore(), join(path, '.gtpack', 'store', 'components'));
  for (const name of packs) await copyFile(await packFile(name), join(path, packPath(name)));
  return { path, remove: () => rm(path, { recursive: true }) };
}

export async function put(
  folder: string,
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
}

export interface TenantParts {
  /** Flows by file name, without the ending. Each is the tenant's alone. */
  readonly flows: Readonly<Record<string, string>>;
  readonly packs?: readonly PackName[];
  /** As in the bundle. */
  readonly limits?: Readonly<Record<string, string | number>>;
  readonly isolation?: 'shared' | 'process';
  /** Of its flows, as in the bundle. */
  readonly grants?: object;
}

export interface TenantsOptions {
  readonly responseTimeout?: string;
  readonly maxBody?: string;
}

/** A bundle of several tenants on any free port. */
export function tenantsBundle(
  tenants: Readonly<Record<string, TenantParts>>,
  { responseTimeout = '10s', maxBody = '1MiB' }: TenantsOptions = {},
): BundleParts {
  const files: Record<string, string> = {};
  const packs = new Set<PackName>();
  const written: Record<string, unknown> = {};
  for (const [tenant, parts] of Object.entries(tenants)) {
    const own = parts.packs ?? ['events-webhook'];
    for (const name of own) packs.add(name);
    const flows = Object.entries(parts.flows).map(([name, text]) => {
      const path = `flows/${tenant}/${name}.ygtc`;
      files[path] = text;
      return path;
    });
    written[tenant] = {
      providers: Object.fromEntries(own.map((name) => [name, { pack: packPath(name) }])),
      flows,
      ...(parts.limits === undefined ? {} : { limits: parts.limits }),
      ...(parts.isolation === undefined ? {} : { isolation: parts.isolation }),
      ...(parts.grants === undefined ? {} : { grants: parts.grants }),
    };
  }
  const http = { listen: '127.0.0.1:0', response_timeout: responseTimeout, max_body: maxBody };
  // JSON is YAML.
  return { yaml: JSON.stringify({ http, tenants: written }, null, 2), files, packs: [...packs] };
}

/** A flow of one script that `pattern` starts. */
export function scriptFlow(name: string, script: string, pattern = '>'): string {
  return flowOf(name, [{ id: 'only', type: 'script', config: { script } }], pattern);
}

/** A flow whose first node `pattern` starts. */
export function flowOf(
  name: string,
  nodes: readonly [FlowNodeText, ...FlowNodeText[]],
  pattern = '>',
): string {
  const triggers = [{ type: 'event', event_type: pattern, target: nodes[0].id }];
  return JSON.stringify({ name, version: '1.0', nodes, triggers }, null, 2);
}

export interface FlowNodeText {
  readonly id: string;
  readonly type: string;
  readonly config: unknown;
  readonly next?: string;
}
