import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import * as z from 'zod';
import { PLUGIN_IMPORTS, type PluginImport } from '../contract.ts';
import { errorMessage, GtpackError } from '../errors.ts';
import { count, fault, mapping, text } from '../written/readers.ts';
import { parseYamlShape, readYaml } from '../yaml.ts';
import { MAX_BUNDLE_BYTES, readTextFile } from './text-file.ts';

/** What was approved for one provider of one tenant. */
export interface Pin {
  /** BLAKE3 of the pack's bytes, hex. */
  readonly digest: string;
  /** Fingerprint of the key that had signed it; null for a pack that nobody signed. */
  readonly publisher: string | null;
  /** Capabilities whose grants were approved with it, in sorted order; none where it was pinned unasked. */
  readonly grants: readonly PluginImport[];
}

/** Pins by tenant, then by provider. */
export type Pins = ReadonlyMap<string, ReadonlyMap<string, Pin>>;

/** `gtpack.lock`, which stands beside the bundle file. */
export interface LockFile {
  readonly path: string;
  /** Empty where there is no file yet. */
  readonly pins: Pins;
}

export const LOCK_FILE = 'gtpack.lock';
const LOCK_VERSION = 1;
const DIGEST = /^blake3:([0-9a-f]{64})$/;
const HEADER = `# Written by gtpack: the packs that this bundle was started with, and what each was granted.
# Keep it under version control. A pack that changed is refused; "gtpack install FILE" shows what changed and approves it.
`;

const digestText = text('"blake3:" and 64 hex digits', (value) => DIGEST.exec(value)?.[1]);

const pinShape = mapping({
  digest: digestText,
  publisher: digestText.nullable().optional().default(null),
  grants: z.array(
    z.enum(PLUGIN_IMPORTS, { error: (issue) => fault('the name of a capability', issue.input) }),
    { error: (issue) => fault('a list of capabilities', issue.input) },
  ),
});

/** Null is what is left of a mapping whose last entry an operator deleted. */
const lockShape = mapping({
  version: count(LOCK_VERSION, LOCK_VERSION),
  tenants: z.record(z.string(), z.record(z.string(), pinShape).nullable()).nullable(),
});

/**
 * Reads the lock of the bundle in `dir`.
 * @throws GtpackError `lock_invalid`, `file_unreadable`
 */
export async function readLock(dir: string): Promise<LockFile> {
  const path = join(dir, LOCK_FILE);
  const content = await readTextFile(path, MAX_BUNDLE_BYTES);
  return { path, pins: content === undefined ? new Map() : parseLock(content, path) };
}

function parseLock(content: string, path: string): Pins {
  try {
    const { tenants } = parseYamlShape(readYaml(content, path, MAX_BUNDLE_BYTES), lockShape, 'lock_invalid');
    return new Map(
      Object.entries(tenants ?? {}).map(([id, pins]) => [id, new Map(Object.entries(pins ?? {}))]),
    );
  } catch (error) {
    if (!(error instanceof GtpackError)) throw error;
    const cure = `Restore ${LOCK_FILE} from version control, or delete it and start again to approve every pack anew.`;
    const [first, ...rest] = error.problems;
    const last = { ...(rest.at(-1) ?? first), code: 'lock_invalid' as const, cure };
    throw rest.length === 0
      ? GtpackError.ofProblems([last])
      : GtpackError.ofProblems([{ ...first, code: 'lock_invalid' }, ...rest.slice(0, -1), last]);
  }
}

/** The text of a lock: the same pins give the same bytes. */
export function formatLock(pins: Pins): string {
  const tenants = sorted(pins).map(([tenant, providers]): [string, unknown] => [
    tenant,
    Object.fromEntries(
      sorted(providers).map(([id, { digest, publisher, grants }]) => [
        id,
        {
          digest: `blake3:${digest}`,
          ...(publisher === null ? {} : { publisher: `blake3:${publisher}` }),
          grants,
        },
      ]),
    ),
  ]);
  return (
    HEADER + stringify({ version: LOCK_VERSION, tenants: Object.fromEntries(tenants) }, { lineWidth: 0 })
  );
}

function sorted<T>(map: ReadonlyMap<string, T>): [string, T][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}

/**
 * Replaces the lock in one step: a reader, or a crash, finds the old one or the new one whole.
 * @throws GtpackError `lock_unwritable`
 */
export async function writeLock(lock: LockFile): Promise<void> {
  const { path, pins } = lock;
  const content = formatLock(pins);
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    // What cannot be read back must not take the place of what can.
    parseLock(content, path);
    await writeDurably(temporary, content);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw new GtpackError('lock_unwritable', `The lock cannot be written: ${errorMessage(error)}.`, {
      file: path,
      cure: 'Make the folder of the bundle writable, or put a lock there that was written elsewhere.',
      cause: error,
    });
  }
}

async function writeDurably(path: string, content: string): Promise<void> {
  const handle: FileHandle = await open(path, 'wx');
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
