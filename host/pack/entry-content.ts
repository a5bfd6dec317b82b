import { crc32, inflateRawSync } from 'node:zlib';
import { type Entry, type FileEntry, type LocalDirectory, Uint8ArrayWriter } from '@zip.js/zip.js';
import { errorMessage, GtpackError } from '../errors.ts';
import { quoted } from '../event/names.ts';
import type { ArchiveLimits } from './archive-limits.ts';
import { refuseSecondName, STORED } from './entry-header.ts';
import { archiveFault } from './zip-fault.ts';

/** The content of an entry, under caps that hold for the bytes that come out (A2 of archive-reader.ts). */

/** Below this the ratio is not looked at: an icon of one colour deflates to a two hundredth, and harms nobody. */
const RATIO_FREE_BYTES = 64 * 1024;

/** @param room how many bytes the entry may have at most for the archive as a whole */
export async function readEntry(
  entry: Entry,
  archive: Uint8Array,
  file: string,
  limits: ArchiveLimits,
  room: number,
): Promise<Uint8Array> {
  const name = quoted(entry.filename);
  const local = await checkPlace(entry, file);
  const packed = archive.subarray(local.dataOffset, local.dataOffset + entry.compressedSize);
  const content = own(
    entry.compressionMethod === STORED ? packed : inflate(packed, name, file, limits, room),
  );
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

/**
 * Compares the local header with the central directory, and the entry's place with those of the others.
 * @throws GtpackError `archive_ambiguous`, `archive_damaged`, `archive_overlap`
 */
async function checkPlace(entry: Entry, file: string): Promise<LocalDirectory> {
  // zip.js does it for folders, too, where its types say that only files have data.
  const readable = entry as unknown as FileEntry;
  await readable.getData(new Uint8ArrayWriter()).catch((error: unknown) => {
    throw archiveFault(error, file, entry.filename);
  });
  const local = readable.localDirectory;
  if (local === undefined) {
    throw new GtpackError('archive_damaged', `The entry ${quoted(entry.filename)} has no local header.`, {
      file,
    });
  }
  refuseSecondName(local, entry.filename, file);
  return local;
}

/** Bytes with a buffer of their own: who posts them to a thread would post all of a shared one. */
function own(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

function inflate(
  packed: Uint8Array,
  name: string,
  file: string,
  limits: ArchiveLimits,
  room: number,
): Uint8Array {
  const cap = Math.min(limits.maxEntryBytes, room, ratioCap(packed.length, limits));
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

function ratioCap(packedSize: number, limits: ArchiveLimits): number {
  return Math.max(RATIO_FREE_BYTES, packedSize * limits.maxCompressionRatio);
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
  if (size > ratioCap(packedSize, limits))
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
