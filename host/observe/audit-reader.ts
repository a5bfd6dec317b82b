import { Buffer } from 'node:buffer';
import { constants, type FileHandle, open, stat } from 'node:fs/promises';
import { errorMessage, GtpackError } from '../errors.ts';
import { type AsideFile, asideFiles } from './audit-files.ts';

const CHUNK_BYTES = 64 * 1024;
/** Far longer than the host writes any. */
const MAX_LINE_BYTES = 1024 * 1024;
const LINE_BREAK = '\n'.charCodeAt(0);

export interface ReadAuditOptions {
  /** The file that a host writes to, or wrote to. */
  readonly file: string;
  /** Resolves when it is time to look for more; rejects or resolves with false to end. Without it, reading ends with the file. */
  readonly more?: () => Promise<boolean>;
  /** Finds the files that were put aside. Default: asks the file system. */
  readonly list?: (file: string) => Promise<AsideFile[]>;
}

/**
 * The lines of an audit log, the oldest first, over all of its files, while a host goes on writing and putting files
 * aside. A last line that a kill left torn is not among them.
 * @throws GtpackError `audit_unreadable`
 */
export async function* readAudit({
  file,
  more,
  list = asideFiles,
}: ReadAuditOptions): AsyncGenerator<string, void, undefined> {
  let last = 0;
  for (let first = true; ; first = false) {
    // Opened before the list is made: whatever is put aside in between is then found in both, and known by its inode.
    const current = await openFile(file);
    try {
      const inode = current === undefined ? undefined : (await current.stat()).ino;
      const aside = (await list(file)).filter(({ number }) => number > last);
      if (first && current === undefined && aside.length === 0) throw missing(file);
      let renamed = false;
      for (const { path, number } of aside) {
        last = number;
        const handle = await openFile(path);
        if (handle === undefined) continue;
        try {
          renamed ||= (await handle.stat()).ino === inode;
          yield* new LineReader(handle).rest();
        } finally {
          await handle.close();
        }
      }
      // It was put aside before the list was made, and read from there.
      if (renamed) continue;
      if (current !== undefined) {
        const lines = new LineReader(current);
        yield* lines.rest();
        if (more === undefined) return;
        for (let again = await more(); ; again = await more()) {
          // Asked before the rest is read: what is written after it was put aside goes to the next file.
          const moved = (await inodeOf(file)) !== inode;
          yield* lines.rest();
          if (!again) return;
          if (!moved) continue;
          last = await numberOf(file, inode, last);
          break;
        }
      } else if (more === undefined || !(await more())) return;
    } finally {
      await current?.close();
    }
  }
}

/** Reads the lines of a file from where it stopped last; what has no line break yet stays for the next time. */
class LineReader {
  readonly #handle: FileHandle;
  #position = 0;
  #begun: Buffer = Buffer.alloc(0);

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async *rest(): AsyncGenerator<string, void, undefined> {
    const chunk = Buffer.alloc(CHUNK_BYTES);
    for (;;) {
      const { bytesRead } = await this.#handle.read(chunk, 0, chunk.length, this.#position);
      if (bytesRead === 0) return;
      this.#position += bytesRead;
      let bytes: Buffer = Buffer.concat([this.#begun, chunk.subarray(0, bytesRead)]);
      for (let end = bytes.indexOf(LINE_BREAK); end !== -1; end = bytes.indexOf(LINE_BREAK)) {
        yield bytes.toString('utf8', 0, end);
        bytes = bytes.subarray(end + 1);
      }
      this.#begun = bytes.length > MAX_LINE_BYTES ? Buffer.alloc(0) : Buffer.from(bytes);
    }
  }
}

async function openFile(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new GtpackError('audit_unreadable', `The audit log cannot be read: ${errorMessage(error)}.`, {
      file: path,
      cure: 'Read it as the user that the host runs as.',
      cause: error,
    });
  }
}

async function inodeOf(path: string): Promise<number | undefined> {
  return await stat(path).then(
    ({ ino }) => ino,
    () => undefined,
  );
}

/** The number under which a file was put aside; where it is gone already, that of all that went before it is enough. */
async function numberOf(file: string, inode: number | undefined, last: number): Promise<number> {
  for (const { path, number } of await asideFiles(file)) {
    if (number > last && (await inodeOf(path)) === inode) return number;
  }
  return last;
}

function missing(file: string): GtpackError {
  return new GtpackError('audit_unreadable', 'There is no audit log here.', {
    file,
    cure: 'It is there once a host of this bundle has started; name the bundle that is meant.',
  });
}
