import { Buffer } from 'node:buffer';
import { constants, type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { AuditOptions } from '../bundle/audit-shape.ts';
import { asideFiles, asidePath } from './audit-files.ts';
import type { AuditSink } from './audit-log.ts';

const OWNER_ONLY = 0o600;
const FLAGS = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW;
const LINE_BREAK = '\n'.charCodeAt(0);

/**
 * The file that an audit log is written to. Once it is full it gets the next number in its name and a new one is begun; of
 * those put aside the oldest go. A kill at any point leaves files that go on being one log: after it, a torn last line
 * is closed, so that it costs no other one.
 */
export class AuditFile implements AuditSink {
  readonly #options: AuditOptions;
  #handle: FileHandle | undefined;
  #bytes = 0;

  constructor(options: AuditOptions) {
    this.#options = options;
  }

  async begin(bytes: number): Promise<void> {
    if (this.#handle === undefined) await this.#open();
    if (this.#bytes > 0 && this.#bytes + bytes > this.#options.maxFileBytes) await this.#putAside();
  }

  async append(bytes: Buffer): Promise<number> {
    const handle = this.#handle ?? (await this.#open());
    const { bytesWritten } = await handle.write(bytes);
    this.#bytes += bytesWritten;
    return bytesWritten;
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.sync().catch(() => undefined);
    await handle?.close();
  }

  async #open(): Promise<FileHandle> {
    const { file } = this.#options;
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const handle = await open(file, FLAGS, OWNER_ONLY);
    try {
      const stat = await handle.stat();
      if (!stat.isFile()) throw new Error('a file was expected; this is none');
      if ((stat.mode & 0o077) !== 0) await handle.chmod(OWNER_ONLY);
      this.#bytes = stat.size;
      if (stat.size > 0 && !(await endsLine(handle, stat.size))) {
        await handle.write(Buffer.of(LINE_BREAK));
        this.#bytes += 1;
      }
    } catch (error) {
      await handle.close();
      throw error;
    }
    this.#handle = handle;
    return handle;
  }

  async #putAside(): Promise<void> {
    const { file, keep } = this.#options;
    const aside = await asideFiles(file);
    await rename(file, asidePath(file, (aside.at(-1)?.number ?? 0) + 1));
    await this.close();
    await this.#open();
    // With the new one and the one that was just put aside.
    for (const { path } of aside.slice(0, Math.max(0, aside.length + 2 - keep)))
      await rm(path, { force: true });
  }
}

async function endsLine(handle: FileHandle, size: number): Promise<boolean> {
  const last = Buffer.alloc(1);
  await handle.read(last, 0, 1, size - 1);
  return last[0] === LINE_BREAK;
}
