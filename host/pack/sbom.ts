import { blake3 } from 'hash-wasm';
import * as z from 'zod';
import { errorMessage, GtpackError, type Problem } from '../errors.ts';
import { checkJsonBounds } from '../event/json-bounds.ts';
import { quoted } from '../event/names.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import type { ArchiveLimits } from './archive-limits.ts';
import type { VerifiedArchive } from './archive-reader.ts';
import { CborFault, decodeCbor, encodeCbor } from './cbor.ts';

/**
 * `sbom.cbor`: path, size, BLAKE3 and media type of every file but itself and the signatures. Older packs have the same as
 * `sbom.json`.
 */

export const SBOM_PATH = 'sbom.cbor';
const SBOM_JSON_PATH = 'sbom.json';
export const SIGNATURES_FOLDER = 'signatures/';
const SBOM_FORMAT = 'greentic-sbom-v1' as const;
const MAX_PROBLEMS = 20;
const JSON_BOUNDS = {
  maxBytes: DEFAULT_LIMITS.maxManifestBytes,
  maxDepth: DEFAULT_LIMITS.maxJsonDepth,
  maxElements: DEFAULT_LIMITS.maxJsonElements,
};

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

/** Whether an SBOM has to list the path: everything but itself and the signatures. */
function isListed(path: string): boolean {
  return path !== SBOM_PATH && path !== SBOM_JSON_PATH && !path.startsWith(SIGNATURES_FOLDER);
}

/** The SBOM of the files of a pack. The same files give the same bytes. */
export async function encodeSbom(files: ReadonlyMap<string, Uint8Array>): Promise<SignedSbom> {
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
  const sbom = { format: SBOM_FORMAT, files: listed } as const;
  return { bytes: encodeCbor(sbom), sbom };
}

/** An SBOM with its bytes as they stand in the archive: a signature covers those. */
export interface SignedSbom {
  readonly bytes: Uint8Array;
  readonly sbom: Sbom;
}

/** @returns undefined where the archive has none. @throws GtpackError `sbom_invalid` */
export function readSbom(archive: VerifiedArchive, limits: ArchiveLimits): SignedSbom | undefined {
  const [path, ...others] = [SBOM_PATH, SBOM_JSON_PATH].filter((each) => archive.entries.has(each));
  const bytes = path === undefined ? undefined : archive.entries.get(path);
  if (path === undefined || bytes === undefined) return undefined;
  const file = `${archive.file}!${path}`;
  if (others.length > 0) {
    // Neither lists the other: a reader that takes the second would see other files.
    throw new GtpackError('sbom_invalid', `The archive has two SBOMs, ${SBOM_PATH} and ${SBOM_JSON_PATH}.`, {
      file: archive.file,
    });
  }
  if (bytes.length > limits.maxManifestBytes) {
    throw new GtpackError(
      'sbom_invalid',
      `The SBOM is ${bytes.length} bytes long; at most ${limits.maxManifestBytes} are read.`,
      { file },
    );
  }
  const value = path === SBOM_PATH ? decodeCborSbom(bytes, file) : decodeJsonSbom(bytes, file);
  const parsed = sbomSchema.safeParse(value);
  if (parsed.success) return { bytes, sbom: parsed.data };
  const [issue] = parsed.error.issues;
  throw new GtpackError(
    'sbom_invalid',
    `${quoted(issue?.path.join('.') || 'the SBOM')}: ${issue?.message ?? 'another shape'}`,
    { file },
  );
}

function decodeCborSbom(bytes: Uint8Array, file: string): unknown {
  try {
    return decodeCbor(bytes);
  } catch (error) {
    if (!(error instanceof CborFault)) throw error;
    throw new GtpackError('sbom_invalid', `The SBOM is not CBOR as packs hold it: ${error.message}.`, {
      file,
    });
  }
}

function decodeJsonSbom(bytes: Uint8Array, file: string): unknown {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    checkJsonBounds(text, JSON_BOUNDS, 'The SBOM');
    return JSON.parse(text);
  } catch (error) {
    throw new GtpackError('sbom_invalid', `The SBOM is not JSON as packs hold it: ${errorMessage(error)}`, {
      file,
      cause: error,
    });
  }
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
