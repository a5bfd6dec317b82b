import type { Json } from '../event/json.ts';

/**
 * What the manifests of the format in the field say, whatever model they are written in: symbol-manifest reads the
 * current one, meta-manifest the older one. From here on there is one shape.
 */
export interface FieldManifest {
  readonly id: string;
  readonly version: string;
  readonly kind: string | null;
  /** For people's eyes; null where it names nobody. */
  readonly publisher: string | null;
  readonly components: readonly FieldComponent[];
  readonly flows: readonly FieldFlow[];
  /** Keys of the secrets that the pack says it needs. */
  readonly secrets: readonly string[];
}

/** A component that a manifest lists. */
export interface FieldComponent {
  readonly id: string;
  /** Of its WebAssembly in the archive; null for one that is fetched from elsewhere. */
  readonly path: string | null;
  /** Operations that the manifest or one of its extensions names; there may be others. */
  readonly operations: readonly string[];
  readonly secrets: readonly string[];
}

export interface FieldFlow {
  readonly id: string;
  /** Where it stands in the archive, for messages. */
  readonly place: string;
  /** Ids of nodes that a run starts with, by their names. */
  readonly entrypoints: readonly (readonly [name: string, node: string])[];
  /** In the order of the manifest. */
  readonly nodes: readonly FieldNode[];
  /** What keeps it from being read at all, one sentence. */
  readonly fault?: string;
}

export interface FieldNode {
  readonly id: string;
  readonly component: string;
  /** Of another pack that the component is in. */
  readonly packAlias: string | null;
  readonly operation: string | null;
  /** What its component is given; may hold templates. Undefined where it is no JSON. */
  readonly input: Json | undefined;
  /** Whether it says how to change its output or its errors. */
  readonly mapsOutput: boolean;
  readonly routing: FieldRouting;
}

export type FieldRouting =
  | { readonly kind: 'end' }
  | { readonly kind: 'reply' }
  | { readonly kind: 'next'; readonly node: string }
  | {
      readonly kind: 'branch';
      readonly onStatus: readonly (readonly [status: string, node: string])[];
      readonly otherwise: string | null;
    }
  /** Routes as the maker of the flow wrote them. */
  | { readonly kind: 'custom'; readonly routes: unknown }
  /** A way that nobody knows, as it is named. */
  | { readonly kind: 'unknown'; readonly name: string };

/** The place of extensions' texts, keys and paths in a manifest; longer ones are none that anybody made. */
export const MAX_FIELD_TEXT = 1024;
/** Of a pack, those that no manifest lists included. */
export const MAX_COMPONENTS = 256;
export const MAX_FLOWS = 500;

/** For people's eyes: on one line, without what moves a cursor or turns writing around. */
export function shown(text: string, max = 200): string {
  const plain = text.replace(/[\p{C}\s]+/gu, ' ').trim();
  return plain.length > max ? `${plain.slice(0, max)}…` : plain;
}
