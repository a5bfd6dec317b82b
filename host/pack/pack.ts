/**
 * Packs: what third parties ship.
 *
 * Reading, from the bytes up: archive-reader (with entry-path, entry-header, entry-content, zip-fault, archive-limits),
 * cbor, manifest, sbom, signature (with signing-key and certificate), wasm-interface and plugin-interface, and on top of them read-pack. Writing: pack-yaml,
 * source-folders, compile-assemblyscript, compile-typescript (with sdk-folder), archive-writer, and on top of them build.
 *
 * What holds of every pack that was read: A1 to A3 of archive-reader; each file is in the SBOM with its hash; each
 * provider's WebAssembly exports what the manifest says, and imports nothing that it does not request.
 */

import type { PluginExport, PluginImport, ProviderSchemas } from '../contract.ts';

/** A pack as the host uses it: read, bounded and checked, whatever model its manifest was written in. */
export interface Pack {
  /** BLAKE3 of the archive's bytes, hex. */
  readonly digest: string;
  /** Where it was read from, for messages. */
  readonly file: string;
  readonly id: string;
  readonly version: string;
  readonly publisher: string;
  /** Fingerprint of the key that signed it: who that is and whether they are trusted is the bundle's to say. */
  readonly signer: string | null;
  readonly providers: readonly PackProvider[];
  readonly flows: readonly PackFlow[];
  /** Helper modules of `scripts/`, by path. */
  readonly scripts: ReadonlyMap<string, string>;
  /** What of it this host leaves out or changes, one sentence each: of a pack that was made for another host. */
  readonly remarks?: readonly string[];
}

export interface PackProvider {
  /** Unique in the pack. */
  readonly id: string;
  readonly kind: ProviderKind;
  /** What it was built against: the host's own interfaces, or those of the format in the field, which interop adapts. */
  readonly model: ProviderModel;
  /** Path of the wasm in the archive. */
  readonly component: string;
  readonly wasm: Uint8Array;
  readonly exports: readonly PluginExport[];
  readonly operations: readonly PackOperation[];
  /** JSON Schemas that it names, as texts. */
  readonly schemas?: ProviderSchemas | undefined;
  readonly requests: readonly CapabilityRequest[];
}

export type ProviderModel = 'plugin' | 'field';

export const PROVIDER_KINDS = ['webhook', 'timer', 'email', 'sms', 'custom'] as const;
export type ProviderKind = (typeof PROVIDER_KINDS)[number];

export interface PackOperation {
  readonly name: string;
  readonly description: string;
  /** Paths in the archive. */
  readonly input_schema?: string | undefined;
  readonly output_schema?: string | undefined;
}

/** What a pack asks for, with the author's reason. */
export interface CapabilityRequest {
  readonly capability: PluginImport;
  readonly reason: string;
  /** The provider is of use without it: where it is not granted, its calls are denied, and it starts all the same. */
  readonly optional?: boolean | undefined;
}

export interface PackFlow {
  /** Path in the archive, for messages. */
  readonly path: string;
  /** YAML text. */
  readonly source: string;
  /** It was made out of a flow of another host's: where it cannot be loaded, it is left out with a warning. */
  readonly isConverted?: true;
}
