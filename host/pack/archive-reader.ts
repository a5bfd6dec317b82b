import { crc32, inflateRawSync } from 'node:zlib';
import { type Entry, type FileEntry, Uint8ArrayReader, Uint8ArrayWriter, ZipReader } from '@zip.js/zip.js';
import { blake3 } from 'hash-wasm';
import { errorMessage, GtpackError } from '../errors.ts';
import { quoted } from '../event/names.ts';
import { DEFAULT_LIMITS, type Limits } from '../limits.ts';
import { PathRegister } from './entry-path.ts';
import { archiveFault } from './zip-fault.ts';

/**
 * Reads an archive that a stranger made.
 *
 * - A1 nothing is read that two readers could read differently: one central directory, at the end, over entries that
 *   follow each other without gap or overlap, each with a local header that says the same.
 * - A2 every cap holds for the bytes that came out, never for what a header says.
 * - A3 a path means one file, inside the archive, on every file system; links are refused.
 */

/** The bounds that hold for an archive. */
export type ArchiveLimits = Pick<
  Limits,
  'maxArchiveBytes' | 'maxEntryBytes' | 'maxEntries' | 'maxCompressionRatio' | 'maxManifestBytes'
>;

/** An archive that was read whole and within the limits. */
export interface VerifiedArchive {
  readonly __brand: 'VerifiedArchive';
  /** For messages. */
  readonly file: string;
  /** BLAKE3 of the archive's bytes, hex. */
  readonly digest: string;
  /** Files by path, in the order of the archive. Folders are left out. */
  readonly entries: ReadonlyMap<string, Uint8Array>;
}

const STORED = 0;
const DEFLATED = 8;
const UNIX_TYPE = 0o170000;
const UNIX_FILE = 0o100000;
const UNIX_FOLDER = 0o040000;
/** Extra field with a name in UTF-8. */
const UNICODE_PATH = 0x7075;
/** Of a data descriptor: 12 bytes, 4 more with a signature, 8 more with 64-bit sizes. */
const DESCRIPTOR_BYTES = { plain: 12, signature: 4, zip64: 8 };

/**
 * @param file names the archive in messages
 * @throws GtpackError with a code that starts with `archive_`
 */
export async function readArchive(
  bytes: Uint8Array,
  file: string,
  limits: ArchiveLimits = DEFAULT_LIMITS,
): Promise<VerifiedArchive> {
  if (bytes.length > limits.maxArchiveBytes) throw archiveTooLarge(file, bytes.length, limits);
  refuseOtherFormats(bytes, file);
  const zip = new ZipReader(new Uint8ArrayReader(bytes), {
    strictness: 'strict',
    // Names are judged by entry-path.ts, which tells each fault by its name.
    filenameValidation: 'tolerant',
    checkOverlappingEntry: true,
    // Entries arrive as they are stored and are inflated below, under a cap that the codec enforces.
    passThrough: true,
    useWebWorkers: false,
  });
  const paths = new PathRegister(file);
  const found: Entry[] = [];
  try {
    for await (const entry of zip.getEntriesGenerator()) {
      if (found.length === limits.maxEntries) {
        throw new GtpackError(
          'archive_too_many_entries',
          `The archive has more than ${limits.maxEntries} entries.`,
          { file },
        );
      }
      checkEntry(entry, file, paths);
      found.push(entry);
    }
    const contents = new Map<string, Uint8Array>();
    let total = 0;
    for (const entry of found) {
      const content = await readEntry(entry, file, limits, limits.maxArchiveBytes - total);
      total += content.length;
      if (!entry.directory) contents.set(entry.filename, content);
    }
    refuseGaps(found, zip.directoryOffset ?? bytes.length, file);
    refuseTail(zip, file);
    return { __brand: 'VerifiedArchive', file, digest: await blake3(bytes), entries: contents };
  } catch (error) {
    throw error instanceof GtpackError ? error : archiveFault(error, file);
  } finally {
    await zip.close();
  }
}

/** For a file whose size is known before it is read. */
export function archiveTooLarge(file: string, size: number, limits: ArchiveLimits): GtpackError {
  return new GtpackError(
    'archive_too_large',
    `The archive is ${size} bytes long; at most ${limits.maxArchiveBytes} are read.`,
    { file },
  );
}

function refuseOtherFormats(bytes: Uint8Array, file: string): void {
  const magic = Buffer.from(bytes.subarray(0, 4)).toString('latin1');
  // The second is the end record of an archive without entries.
  if (magic === 'PK\x03\x04' || magic === 'PK\x05\x06') return;
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (all.lastIndexOf(Buffer.from('PK\x05\x06')) >= 0) {
    throw new GtpackError('archive_ambiguous', 'Bytes stand before the first entry of the ZIP archive.', {
      file,
      cure: 'A .gtpack starts with its first entry; build it again.',
    });
  }
  throw new GtpackError(
    'archive_not_zip',
    bytes.length === 0 ? 'The file is empty, not a ZIP archive.' : 'The file is not a ZIP archive.',
    { file, cure: 'A .gtpack is made by "gtpack pack build DIR".' },
  );
}

/** Everything that the central directory says of an entry, before any of its bytes are read. */
function checkEntry(entry: Entry, file: string, paths: PathRegister): void {
  const name = decodeName(entry, file);
  if (entry.directory && name.endsWith('/')) paths.addFolder(name.slice(0, -1));
  else paths.add(name);
  if (entry.encrypted) {
    throw new GtpackError('archive_encrypted', `The entry ${quoted(name)} is encrypted.`, {
      file,
      cure: 'Build the archive without a password.',
    });
  }
  // The upper half of the attributes is a Unix mode whatever system the entry claims to come from: readers differ.
  for (const mode of [entry.externalFileAttributes >>> 16, entry.unixMode ?? 0]) {
    const type = mode & UNIX_TYPE;
    if (type !== 0 && type !== UNIX_FILE && type !== UNIX_FOLDER) {
      throw new GtpackError(
        'archive_link_refused',
        `The entry ${quoted(name)} is a link or a device, not a file.`,
        {
          file,
          cure: 'Put the file itself into the archive.',
        },
      );
    }
  }
  if (entry.compressionMethod !== STORED && entry.compressionMethod !== DEFLATED) {
    throw new GtpackError(
      'archive_compression_unknown',
      `The entry ${quoted(name)} is compressed by method ${entry.compressionMethod}; stored (0) and deflated (8) are read.`,
      { file },
    );
  }
  if (
    entry.directory &&
    (!name.endsWith('/') || entry.compressedSize !== 0 || entry.uncompressedSize !== 0)
  ) {
    throw new GtpackError('archive_ambiguous', `The entry ${quoted(name)} is a folder and a file at once.`, {
      file,
    });
  }
}

/** The name as its bytes say it. */
function decodeName(entry: Entry, file: string): string {
  let name: string | undefined;
  try {
    name = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(entry.rawFilename);
  } catch {
    name = undefined;
  }
  // Without the flag other readers take the bytes for code page 437.
  const isAscii = entry.rawFilename.every((byte) => byte < 0x80);
  if (name === undefined || !(isAscii || entry.bitFlag?.languageEncodingFlag)) {
    throw new GtpackError(
      'archive_path_refused',
      `The name ${quoted(Buffer.from(entry.rawFilename).toString('latin1'))} is not marked and encoded as UTF-8.`,
      { file, cure: 'Build the archive with UTF-8 names.' },
    );
  }
  refuseSecondName(entry, name, file);
  return name;
}

/** Readers disagree on whether the Unicode Path field, in either header, goes before the name itself. */
function refuseSecondName(
  part: { readonly extraField?: ReadonlyMap<number, unknown> },
  name: string,
  file: string,
): void {
  if (part.extraField?.has(UNICODE_PATH) !== true) return;
  throw new GtpackError(
    'archive_ambiguous',
    `The entry ${quoted(name)} has a second name in an extra field.`,
    { file },
  );
}

async function readEntry(
  entry: Entry,
  file: string,
  limits: ArchiveLimits,
  room: number,
): Promise<Uint8Array> {
  const name = quoted(entry.filename);
  // zip.js compares a local header with the central directory when the data is read; it offers that for folders, too,
  // where its types do not.
  const readable = entry as unknown as FileEntry;
  const packed = await readable.getData(new Uint8ArrayWriter()).catch((error: unknown) => {
    throw archiveFault(error, file, entry.filename);
  });
  refuseSecondName(entry.localDirectory ?? {}, entry.filename, file);
  const content = entry.compressionMethod === STORED ? packed : inflate(packed, name, file, limits, room);
  const fault = capFault(content.length, packed.length, limits, room);
  if (fault !== undefined) throw new GtpackError(fault.code, `The entry ${name} ${fault.text}.`, { file });
  if (content.length !== entry.uncompressedSize) {
    throw new GtpackError(
      'archive_damaged',
      `The entry ${name} is ${content.length} bytes long; its header says ${entry.uncompressedSize}.`,
      { file },
    );
  }
  if (crc32(content) !== entry.crc32) {
    throw new GtpackError(
      'archive_damaged',
      `The content of the entry ${name} does not have the checksum of its header.`,
      {
        file,
      },
    );
  }
  return content;
}

function inflate(
  packed: Uint8Array,
  name: string,
  file: string,
  limits: ArchiveLimits,
  room: number,
): Uint8Array {
  const cap = Math.min(limits.maxEntryBytes, room, packed.length * limits.maxCompressionRatio);
  let inflated: { readonly buffer: Buffer; readonly engine: { readonly bytesWritten: number } };
  try {
    // zlib stops at the first byte past the cap (A2); `info` tells how much of the input was used.
    inflated = inflateRawSync(packed, {
      maxOutputLength: Math.max(1, cap),
      info: true,
    }) as unknown as typeof inflated;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ERR_BUFFER_TOO_LARGE') {
      const fault = capFault(cap + 1, packed.length, limits, room);
      if (fault !== undefined)
        throw new GtpackError(fault.code, `The entry ${name} ${fault.text}.`, { file });
    }
    throw new GtpackError(
      'archive_damaged',
      `The entry ${name} is not deflated data: ${errorMessage(error)}.`,
      { file },
    );
  }
  if (inflated.engine.bytesWritten !== packed.length) {
    throw new GtpackError(
      'archive_ambiguous',
      `The entry ${name} has ${packed.length - inflated.engine.bytesWritten} bytes after the end of its deflated data.`,
      { file },
    );
  }
  return inflated.buffer;
}

type CapFault = {
  readonly code: 'archive_entry_too_large' | 'archive_too_large' | 'archive_ratio_exceeded';
  readonly text: string;
};

function capFault(
  size: number,
  packedSize: number,
  limits: ArchiveLimits,
  room: number,
): CapFault | undefined {
  if (size > packedSize * limits.maxCompressionRatio && size > 0)
    return {
      code: 'archive_ratio_exceeded',
      text: `inflates to more than ${limits.maxCompressionRatio} times its compressed size`,
    };
  if (size > limits.maxEntryBytes)
    return { code: 'archive_entry_too_large', text: `is longer than ${limits.maxEntryBytes} bytes` };
  if (size > room)
    return {
      code: 'archive_too_large',
      text: `brings the archive past ${limits.maxArchiveBytes} bytes in all`,
    };
  return undefined;
}

/** A1: the entries follow each other from the first byte to the central directory. Hidden ones would lie in a gap. */
function refuseGaps(found: readonly Entry[], directoryOffset: number, file: string): void {
  let end = 0;
  for (const entry of found.toSorted((a, b) => a.offset - b.offset)) {
    if (entry.offset !== end) {
      throw new GtpackError(
        'archive_ambiguous',
        `${Math.abs(entry.offset - end)} bytes before the entry ${quoted(entry.filename)} belong to no entry.`,
        { file },
      );
    }
    const local = entry.localDirectory;
    if (local === undefined)
      throw new GtpackError('archive_damaged', `The entry ${quoted(entry.filename)} has no local header.`, {
        file,
      });
    end = local.dataOffset + entry.compressedSize;
    const descriptor = local.dataDescriptor;
    if (descriptor !== undefined) {
      end +=
        DESCRIPTOR_BYTES.plain +
        (descriptor.signature ? DESCRIPTOR_BYTES.signature : 0) +
        (descriptor.zip64 ? DESCRIPTOR_BYTES.zip64 : 0);
    }
  }
  if (end !== directoryOffset) {
    throw new GtpackError(
      'archive_ambiguous',
      `${Math.abs(directoryOffset - end)} bytes before the central directory belong to no entry.`,
      { file },
    );
  }
}

/** A1: nothing but the end record follows the central directory. */
function refuseTail(zip: ZipReader<unknown>, file: string): void {
  const comment = zip.comment?.length ?? 0;
  if (comment === 0 && zip.digitalSignature === undefined) return;
  throw new GtpackError(
    'archive_ambiguous',
    comment === 0
      ? 'The central directory ends in a digital signature record.'
      : `The archive ends in a comment of ${comment} bytes.`,
    { file, cure: 'Build the archive without comment.' },
  );
}
