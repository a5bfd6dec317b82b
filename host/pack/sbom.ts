import { blake3 } from 'hash-wasm';
import * as z from 'zod';
import { GtpackError, type Problem } from '../errors.ts';
import { quoted } from '../event/names.ts';
import type { ArchiveLimits } from './archive-limits.ts';
import type { VerifiedArchive } from './archive-reader.ts';
import { CborFault, decodeCbor, encodeCbor } from './cbor.ts';

/** `sbom.cbor`: path, size, BLAKE3 and media type of every file but itself and the signatures. */

export const SBOM_PATH = 'sbom.cbor';
export const SIGNATURES_FOLDER = 'signatures/';
const SBOM_FORMAT = 'greentic-sbom-v1';
const UNLISTED = /^sbom\.[^/]+$/;
const MAX_PROBLEMS = 20;

const sbomSchema = z.object({
  format: z.literal(SBOM_FORMAT),
  files: z.array(
    z.object({
      path: z.string(),
      size: z.int().min(0),
      hash_blake3: z.string().regex(/^[0-9a-f]{64}$/, 'Expected 64 lower-case hex digits.'),
      media_type: z.string(),
    }),
  ),
});

export type Sbom = z.infer<typeof sbomSchema>;

/** Whether an SBOM has to list the path. */
function isListed(path: string): boolean {
  return !UNLISTED.test(path) && !path.startsWith(SIGNATURES_FOLDER);
}

/** The SBOM of the files of a pack. The same files give the same bytes. */
export async function encodeSbom(files: ReadonlyMap<string, Uint8Array>): Promise<Uint8Array> {
  const paths = [...files.keys()]
    .filter(isListed)
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const listed = [];
  for (const path of paths) {
    const content = files.get(path) ?? new Uint8Array();
    listed.push({
      path,
      size: content.length,
      hash_blake3: await blake3(content),
      media_type: mediaType(path),
    });
  }
  return encodeCbor({ format: SBOM_FORMAT, files: listed });
}

/** @returns undefined where the archive has none. @throws GtpackError `sbom_invalid` */
export function readSbom(archive: VerifiedArchive, limits: ArchiveLimits): Sbom | undefined {
  const bytes = archive.entries.get(SBOM_PATH);
  if (bytes === undefined) return undefined;
  const file = `${archive.file}!${SBOM_PATH}`;
  if (bytes.length > limits.maxManifestBytes) {
    throw new GtpackError(
      'sbom_invalid',
      `The SBOM is ${bytes.length} bytes long; at most ${limits.maxManifestBytes} are read.`,
      { file },
    );
  }
  let value: unknown;
  try {
    value = decodeCbor(bytes);
  } catch (error) {
    if (!(error instanceof CborFault)) throw error;
    throw new GtpackError('sbom_invalid', `The SBOM is not CBOR as packs hold it: ${error.message}.`, {
      file,
    });
  }
  const parsed = sbomSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new GtpackError(
    'sbom_invalid',
    `${quoted(issue?.path.join('.') || 'the SBOM')}: ${issue?.message ?? 'another shape'}`,
    { file },
  );
}

/** Every way in which the SBOM and the files differ, at most 20 of them. */
export async function compareSbom(sbom: Sbom, archive: VerifiedArchive): Promise<Problem[]> {
  const problems: Problem[] = [];
  const tell = (message: string): void => {
    problems.push({ code: 'sbom_mismatch', message, file: archive.file });
  };
  const listed = new Set<string>();
  for (const entry of sbom.files) {
    if (problems.length >= MAX_PROBLEMS) return problems;
    const name = quoted(entry.path);
    const content = archive.entries.get(entry.path);
    if (listed.has(entry.path)) tell(`The SBOM lists ${name} twice.`);
    else if (!isListed(entry.path)) tell(`The SBOM lists ${name}, which no SBOM covers.`);
    else if (content === undefined) tell(`The SBOM lists ${name}, which is not in the archive.`);
    else if (content.length !== entry.size)
      tell(`The file ${name} is ${content.length} bytes long; the SBOM says ${entry.size}.`);
    else if ((await blake3(content)) !== entry.hash_blake3)
      tell(`The content of ${name} does not have the hash of the SBOM.`);
    listed.add(entry.path);
  }
  for (const path of archive.entries.keys()) {
    if (problems.length >= MAX_PROBLEMS) return problems;
    if (isListed(path) && !listed.has(path)) tell(`The file ${quoted(path)} is not in the SBOM.`);
  }
  return problems;
}

const MEDIA_TYPES: ReadonlyMap<string, string> = new Map([
  ['wasm', 'application/wasm'],
  ['cbor', 'application/cbor'],
  ['json', 'application/json'],
  ['yaml', 'application/yaml'],
  ['yml', 'application/yaml'],
  ['ygtc', 'application/yaml'],
  ['js', 'text/javascript'],
  ['md', 'text/markdown'],
  ['txt', 'text/plain'],
  ['html', 'text/html'],
  ['css', 'text/css'],
  ['svg', 'image/svg+xml'],
  ['png', 'image/png'],
  ['jpg', 'image/jpeg'],
]);

function mediaType(path: string): string {
  return MEDIA_TYPES.get(path.slice(path.lastIndexOf('.') + 1).toLowerCase()) ?? 'application/octet-stream';
}
