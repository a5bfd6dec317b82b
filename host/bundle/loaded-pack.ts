/** A pack that is about to be started for a provider. */
export interface LoadedPack {
  readonly tenant: string;
  readonly provider: string;
  /** BLAKE3 of the bytes that were loaded, hex. */
  readonly digest: string;
  /** Fingerprint of the key that signed it, if one did. */
  readonly signer: string | null;
}
