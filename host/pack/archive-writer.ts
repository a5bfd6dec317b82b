import { crc32 } from 'node:zlib';
import { PathRegister } from './entry-path.ts';

/**
 * Writes a ZIP whose bytes depend on nothing but the entries: sorted by the bytes of their paths, stored, dated
 * 1980-01-01 00:00, without attributes, extra fields or comments. Source: APPNOTE.TXT 6.3.10 of PKWARE.
 */

const LOCAL_HEADER = 0x04034b50;
const CENTRAL_HEADER = 0x02014b50;
const END_RECORD = 0x06054b50;
const VERSION = 20;
const UTF8_FLAG = 0x0800;
const STORED = 0;
/** 1980-01-01, the earliest date that the format has. */
const DOS_DATE = (1 << 5) | 1;
const DOS_TIME = 0;
const MAX_ENTRIES = 0xfffe;

/**
 * @param entries contents by path
 * @throws GtpackError `archive_path_refused`, `archive_path_conflict` on paths that the reader would refuse
 */
export function writeArchive(entries: ReadonlyMap<string, Uint8Array>, file: string): Uint8Array {
  // The 64-bit records are not written: the reader's caps lie far below them.
  if (entries.size > MAX_ENTRIES) throw new RangeError(`an archive of ${entries.size} entries`);
  const paths = new PathRegister(file);
  const sorted = [...entries]
    .map(([path, content]) => ({ path, name: Buffer.from(path), content }))
    .sort((a, b) => Buffer.compare(a.name, b.name));
  const chunks: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const { path, name, content } of sorted) {
    paths.add(path);
    const common = commonHeader(name, content);
    chunks.push(u32(LOCAL_HEADER), common, name, content);
    directory.push(u32(CENTRAL_HEADER), u16(VERSION), common, centralTail(offset), name);
    offset += 4 + common.length + name.length + content.length;
  }
  const directoryBytes = Buffer.concat(directory);
  return Buffer.concat([...chunks, directoryBytes, endRecord(sorted.length, directoryBytes.length, offset)]);
}

/** The 26 bytes that a local header and a central one share. */
function commonHeader(name: Uint8Array, content: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(26);
  bytes.writeUInt16LE(VERSION, 0);
  bytes.writeUInt16LE(UTF8_FLAG, 2);
  bytes.writeUInt16LE(STORED, 4);
  bytes.writeUInt16LE(DOS_TIME, 6);
  bytes.writeUInt16LE(DOS_DATE, 8);
  bytes.writeUInt32LE(crc32(content), 10);
  bytes.writeUInt32LE(content.length, 14);
  bytes.writeUInt32LE(content.length, 18);
  bytes.writeUInt16LE(name.length, 22);
  return bytes;
}

/** Lengths of comment, disk number and attributes, all zero, and the offset of the local header. */
function centralTail(offset: number): Uint8Array {
  const bytes = Buffer.alloc(14);
  bytes.writeUInt32LE(offset, 10);
  return bytes;
}

function endRecord(count: number, directoryLength: number, directoryOffset: number): Uint8Array {
  const bytes = Buffer.alloc(22);
  bytes.writeUInt32LE(END_RECORD, 0);
  bytes.writeUInt16LE(count, 8);
  bytes.writeUInt16LE(count, 10);
  bytes.writeUInt32LE(directoryLength, 12);
  bytes.writeUInt32LE(directoryOffset, 16);
  return bytes;
}

function u16(value: number): Uint8Array {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function u32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
