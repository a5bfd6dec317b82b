import { GtpackError } from '../errors.ts';
import { quoted } from '../event/names.ts';
import type { FieldExtensions } from './field-extensions.ts';
import { type FieldComponent, MAX_COMPONENTS } from './field-manifest.ts';

/** A component as a manifest lists it, before its WebAssembly was found. */
export interface ListedComponent {
  readonly id: string;
  readonly version: string | null;
  readonly operations: readonly string[];
  readonly secrets: readonly string[];
  /** Where the manifest itself says so. */
  readonly path?: string;
}

/**
 * Where the components of a pack lie: those of the manifest, those that an extension adds, and those that lie in the
 * archive without being listed.
 * @throws GtpackError `pack_component_missing` for one that is listed, not in the archive, and not said to be elsewhere;
 *   `manifest_invalid` for too many
 */
export function listedComponents(
  listed: readonly ListedComponent[],
  { operations, sources }: FieldExtensions,
  entries: ReadonlyMap<string, Uint8Array>,
  file: string,
): FieldComponent[] {
  const components = new Map<string, FieldComponent>();
  const add = (component: ListedComponent): void => {
    const { id, secrets } = component;
    const path = pathOf(component, sources, entries);
    if (path === undefined) {
      throw new GtpackError(
        'pack_component_missing',
        `The component ${quoted(id)} is listed, and its WebAssembly is not in the archive.`,
        { file },
      );
    }
    const known = [...new Set([...component.operations, ...(operations.get(id) ?? [])])];
    components.set(id, { id, path, operations: known, secrets });
  };
  for (const component of listed) add(component);
  for (const id of sources.keys()) {
    if (!components.has(id)) add({ id, version: null, operations: [], secrets: [] });
  }
  const placed = new Set([...components.values()].map(({ path }) => path));
  for (const path of [...entries.keys()].filter((each) => each.endsWith('.wasm')).sort()) {
    if (placed.has(path)) continue;
    const id = unlistedId(path, components);
    components.set(id, { id, path, operations: operations.get(id) ?? [], secrets: [] });
  }
  if (components.size > MAX_COMPONENTS) {
    throw new GtpackError(
      'manifest_invalid',
      `The pack has ${components.size} components; at most ${MAX_COMPONENTS} are read.`,
      { file },
    );
  }
  return [...components.values()];
}

/** Null for one that is fetched from elsewhere, undefined for one that should be in the archive and is not. */
function pathOf(
  { id, version, path }: ListedComponent,
  sources: FieldExtensions['sources'],
  entries: ReadonlyMap<string, Uint8Array>,
): string | null | undefined {
  const source = sources.get(id);
  const places = [
    path,
    source,
    `components/${id}.wasm`,
    `components/${id}@${version}/component.wasm`,
    `components/${id}/component.wasm`,
  ];
  const found = places.find((place) => typeof place === 'string' && entries.has(place));
  return found ?? (source === null ? null : undefined);
}

/** `components/NAME.wasm` and `components/NAME@VERSION/component.wasm` say what it is called; of others, the path does. */
function unlistedId(path: string, taken: ReadonlyMap<string, unknown>): string {
  const [, folder, name] = /^components\/(?:([^/@]+)(?:@[^/]+)?\/component|([^/]+))\.wasm$/.exec(path) ?? [];
  const id = folder ?? name ?? path.slice(0, -'.wasm'.length);
  return taken.has(id) ? path : id;
}
