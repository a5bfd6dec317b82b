import { resolve } from 'node:path';
import * as z from 'zod';
import type { Problem } from '../errors.ts';
import { GtpackError } from '../errors.ts';
import { readPublicKey } from '../pack/key-file.ts';
import { fault, text } from '../written/readers.ts';
import type { YamlFile } from '../yaml.ts';
import { problemAt } from './problems.ts';

const MAX_KEYS = 1000;
const FINGERPRINT = /^blake3:([0-9a-f]{64})$/;
const EXPECTED = 'the path of a public key, or a fingerprint such as "blake3:" and 64 hex digits,';

/** An entry of `trust`: a key's fingerprint, or the file that holds the key. */
type TrustEntry = { readonly fingerprint: string } | { readonly file: string };

/** `trust` as people write it. An empty list trusts nobody. */
export const trustShape = z
  .array(text(EXPECTED, readEntry), { error: (issue) => fault('a list of public keys', issue.input) })
  .max(MAX_KEYS, { error: `At most ${MAX_KEYS} keys were expected.` });

function readEntry(written: string): TrustEntry | undefined {
  const [, fingerprint] = FINGERPRINT.exec(written) ?? [];
  if (fingerprint !== undefined) return { fingerprint };
  return written === '' || written.includes('\0') || written.startsWith('blake3:')
    ? undefined
    : { file: written };
}

/**
 * The fingerprints that a bundle trusts; null where it does not say.
 * @param dir that paths are relative to
 * @param problems what was wrong with keys is added
 */
export async function resolveTrust(
  entries: z.output<typeof trustShape> | undefined,
  { yaml, dir, problems }: { readonly yaml: YamlFile; readonly dir: string; readonly problems: Problem[] },
): Promise<ReadonlySet<string> | null> {
  if (entries === undefined) return null;
  const fingerprints = new Set<string>();
  for (const [index, entry] of entries.entries()) {
    if ('fingerprint' in entry) {
      fingerprints.add(entry.fingerprint);
      continue;
    }
    try {
      fingerprints.add((await readPublicKey(resolve(dir, entry.file))).fingerprint);
    } catch (error) {
      if (!(error instanceof GtpackError)) throw error;
      const [{ code, message, cure }] = error.problems;
      const told = `trust: ${JSON.stringify(entry.file)}: ${message}`;
      problems.push({
        ...problemAt(yaml, ['trust', index], code, told),
        ...(cure === undefined ? {} : { cure }),
      });
    }
  }
  return fingerprints;
}
