import { constants } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { errorMessage, GtpackError } from '../errors.ts';
import {
  generateKeyPair,
  type PublisherKey,
  parsePublicKey,
  parseSigningKey,
  type SigningKey,
} from './signing-key.ts';

const MAX_KEY_BYTES = 16 * 1024;
const PUBLIC_SUFFIX = '.pub';
/** Its owner alone reads a private key. */
const PRIVATE_MODE = 0o600;
const PUBLIC_MODE = 0o644;

export interface WrittenKeyPair {
  readonly privateFile: string;
  readonly publicFile: string;
  readonly fingerprint: string;
}

/**
 * Makes a key pair: the private key in `file`, the public one in `file.pub`. Neither may exist.
 * @throws GtpackError `key_unwritable`
 */
export async function writeKeyPair(file: string): Promise<WrittenKeyPair> {
  const pair = generateKeyPair();
  const publicFile = `${file}${PUBLIC_SUFFIX}`;
  const { fingerprint } = await parsePublicKey(pair.publicKey, publicFile);
  await writeNew(publicFile, pair.publicKey, PUBLIC_MODE);
  try {
    await writeNew(file, pair.privateKey, PRIVATE_MODE);
  } catch (error) {
    // Half a pair would look like one.
    await rm(publicFile, { force: true });
    throw error;
  }
  return { privateFile: file, publicFile, fingerprint };
}

/** @throws GtpackError `file_unreadable`, `key_invalid` */
export async function readSigningKey(file: string): Promise<SigningKey> {
  return parseSigningKey(await readKey(file), file);
}

/** A public key, or a certificate that holds one. @throws GtpackError `file_unreadable`, `key_invalid` */
export async function readPublicKey(file: string): Promise<PublisherKey> {
  return parsePublicKey(await readKey(file), file);
}

async function writeNew(file: string, text: string, mode: number): Promise<void> {
  try {
    await using handle = await open(file, 'wx', mode);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } catch (error) {
      await rm(file, { force: true });
      throw error;
    }
  } catch (error) {
    const exists = error instanceof Error && 'code' in error && error.code === 'EEXIST';
    throw new GtpackError(
      'key_unwritable',
      exists
        ? 'There is a file of that name, and a key is never overwritten.'
        : `The key cannot be written: ${errorMessage(error)}.`,
      { file, cure: 'Give another name, or move the file away.', cause: error },
    );
  }
}

async function readKey(file: string): Promise<string> {
  try {
    // Non-blocking, or opening a pipe would wait for a writer.
    await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const bytes = Buffer.alloc(MAX_KEY_BYTES + 1);
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0);
    if (bytesRead > MAX_KEY_BYTES) throw new Error(`a key has at most ${MAX_KEY_BYTES} bytes`);
    return bytes.toString('latin1', 0, bytesRead);
  } catch (error) {
    throw new GtpackError('file_unreadable', `The key cannot be read: ${errorMessage(error)}.`, {
      file,
      cure: 'Name the file of a key; "gtpack keygen FILE" makes one.',
      cause: error,
    });
  }
}
