import { type Entry, Uint8ArrayReader, ZipReader } from '@zip.js/zip.js';
import { blake3 } from 'hash-wasm';
import { GtpackError } from '../errors.ts';
import { quoted } from '../event/names.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import { type ArchiveLimits, archiveTooLarge } from './archive-limits.ts';
import { readEntry } from './entry-content.ts';
import { checkEntry } from './entry-header.ts';
import { PathRegister } from './entry-path.ts';
import { archiveFault } from './zip-fault.ts';
import { checkRecords } from './zip-records.ts';

/**
 * Reads an archive that a stranger made.
 *
 * - A1 nothing is read that two readers could read differently: one central directory, at the end, over entries that
 *   follow each other without gap or overlap, each with a local header that says the same.
 * - A2 every cap holds for the bytes that came out, never for what a header says.
 * - A3 a path means one file, inside the archive, on every file system; links are refused.
 */

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
    // It checks where each entry lies and what its local header says; the content is taken below, under the caps.
    checkOverlappingEntryOnly: true,
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
      const content = await readEntry(entry, bytes, file, limits, limits.maxArchiveBytes - total);
      total += content.length;
      if (!entry.directory) contents.set(entry.filename, content);
    }
    refuseGaps(found, zip.directoryOffset ?? bytes.length, file);
    refuseTail(zip, file);
    checkRecords(bytes, zip.directoryOffset ?? bytes.length, file);
    return { __brand: 'VerifiedArchive', file, digest: await blake3(bytes), entries: contents };
  } catch (error) {
    throw error instanceof GtpackError ? error : archiveFault(error, file);
  } finally {
    await zip.close();
  }
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
