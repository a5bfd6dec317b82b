import * as z from 'zod';
import { MAX_FIELD_TEXT } from './field-manifest.ts';

/** What extensions of a manifest say of its components. One that has another shape is passed over, like unknown ones. */
export interface FieldExtensions {
  /** Operations by the component that has them. */
  readonly operations: ReadonlyMap<string, readonly string[]>;
  /** Where components come from: the path of their WebAssembly in the archive, or null for one that is elsewhere. */
  readonly sources: ReadonlyMap<string, string | null>;
}

const PROVIDERS = 'greentic.provider-extension.v1';
const CAPABILITIES = 'greentic.ext.capabilities.v1';
const SOURCES = 'greentic.pack.component_sources@v1';
/** Of one extension. */
const MAX_LISTED = 500;

const text = z.string().min(1).max(MAX_FIELD_TEXT);
const inlineOf = <T extends z.ZodType>(inline: T) => z.looseObject({ inline });

const providersShape = inlineOf(
  z.looseObject({
    providers: z
      .array(
        z.looseObject({
          ops: z.array(text).max(MAX_LISTED).nullish(),
          runtime: z.looseObject({ component_ref: text }),
        }),
      )
      .max(MAX_LISTED),
  }),
);

const capabilitiesShape = inlineOf(
  z.looseObject({
    offers: z
      .array(z.looseObject({ provider: z.looseObject({ component_ref: text, op: text }) }))
      .max(MAX_LISTED),
  }),
);

const sourcesShape = inlineOf(
  z.looseObject({
    components: z
      .array(
        z.looseObject({
          component_id: text.nullish(),
          name: text.nullish(),
          artifact: z.unknown().optional(),
        }),
      )
      .max(MAX_LISTED),
  }),
);

const inlineArtifact = z.looseObject({ inline: z.looseObject({ wasm_path: text }) });

export function extensionsOf(extensions: Readonly<Record<string, unknown>>): FieldExtensions {
  const operations = new Map<string, string[]>();
  const add = (component: string, names: readonly string[]): void => {
    const known = operations.get(component) ?? [];
    operations.set(component, [...new Set([...known, ...names])]);
  };
  for (const { runtime, ops } of read(providersShape, extensions[PROVIDERS])?.inline.providers ?? []) {
    add(runtime.component_ref, ops ?? []);
  }
  for (const { provider } of read(capabilitiesShape, extensions[CAPABILITIES])?.inline.offers ?? []) {
    add(provider.component_ref, [provider.op]);
  }
  const sources = new Map<string, string | null>();
  for (const { component_id, name, artifact } of read(sourcesShape, extensions[SOURCES])?.inline.components ??
    []) {
    const id = component_id ?? name;
    if (id !== null && id !== undefined)
      sources.set(id, read(inlineArtifact, artifact)?.inline.wasm_path ?? null);
  }
  return { operations, sources };
}

function read<T>(shape: z.ZodType<T>, value: unknown): T | undefined {
  return shape.safeParse(value).data;
}
