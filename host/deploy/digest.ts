import { blake3 } from 'hash-wasm';

/** BLAKE3, hex. */
export function digestOf(bytes: Uint8Array): Promise<string> {
  return blake3(bytes);
}
