import { Buffer } from 'node:buffer';
import { setTimeout as delay } from 'node:timers/promises';
import { errorMessage, GtpackError } from '../errors.ts';

/** Where an audit log goes; audit-file.ts, or a test's. */
export interface AuditSink {
  /** Before each batch of whole lines, with its length. */
  begin(bytes: number): Promise<void>;
  /** @returns how much of it was written */
  append(bytes: Buffer): Promise<number>;
  close(): Promise<void>;
}

export interface AuditLogOptions {
  readonly sink: AuditSink;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** Hears when records cannot be written, when some are dropped, and when it goes on. For the operator. */
  readonly onFault: (message: string) => void;
  /** In characters, of records that wait to be written. Default 16 MiB, some 50,000 records. */
  readonly maxWaiting?: number;
  /** How long to wait after a failure. Default 1 s. */
  readonly retryMs?: number;
}

const LINE_BREAK = '\n'.charCodeAt(0);
const KiB = 1024;
const MAX_BATCH = 256 * KiB;
const DEFAULT_MAX_WAITING = 16 * KiB * KiB;
const DEFAULT_RETRY_MS = 1000;

/**
 * Writes records in batches, one writer at a time, and never holds up who has one.
 *
 * Effects go on where they cannot be written (a full disk, say): the operator hears of it at once, records wait within
 * a bound, and the first line that is written after some had to be dropped says how many. What was written survives a
 * kill of the process; a loss of power may cost what the system had not put on the disk yet.
 */
export class AuditLog {
  readonly #options: AuditLogOptions;
  readonly #maxWaiting: number;
  #lines: string[] = [];
  #waiting = 0;
  #dropped = 0;
  /** What of a batch is not written yet. */
  #rest: Buffer = Buffer.alloc(0);
  #begun = false;
  #failing = false;
  #writing: Promise<void> | undefined;
  readonly #closing = new AbortController();

  private constructor(options: AuditLogOptions) {
    this.#options = options;
    this.#maxWaiting = options.maxWaiting ?? DEFAULT_MAX_WAITING;
  }

  /** @throws GtpackError `audit_unwritable` */
  static async open(options: AuditLogOptions, file: string): Promise<AuditLog> {
    try {
      await options.sink.begin(0);
    } catch (error) {
      throw new GtpackError('audit_unwritable', `The audit log cannot be written: ${errorMessage(error)}.`, {
        file,
        cure: 'Make its folder writable for the user of the host, or name another file with audit.file in the bundle.',
        cause: error,
      });
    }
    return new AuditLog(options);
  }

  /** @param line JSON text, without a line break */
  record(line: string): void {
    if (this.#waiting + line.length > this.#maxWaiting) {
      if (this.#dropped === 0) {
        this.#options.onFault(
          'The audit log takes records slower than they come: some are dropped, and counted in it.',
        );
      }
      this.#dropped += 1;
      return;
    }
    this.#lines.push(line);
    this.#waiting += line.length;
    this.#writing ??= this.#write();
  }

  /** Writes what waits, and tries only once more where that fails. Nothing is recorded after it. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#writing;
    const lost = this.#lines.length + this.#dropped + linesIn(this.#rest);
    if (lost > 0) this.#options.onFault(`${lost} records of the audit log were not written.`);
    await this.#options.sink.close();
  }

  async #write(): Promise<void> {
    // Whatever is recorded in this turn goes into one batch.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#rest.length > 0 || this.#lines.length > 0 || this.#dropped > 0) {
      const closing = this.#closing.signal.aborted;
      try {
        await this.#writeSome();
        if (this.#failing) this.#options.onFault('The audit log is written again.');
        this.#failing = false;
      } catch (error) {
        if (!this.#failing) {
          this.#options.onFault(
            `The audit log cannot be written: ${errorMessage(error)}. Records wait; when there are too many, some are dropped.`,
          );
        }
        this.#failing = true;
        if (closing) break;
        await this.#pause();
      }
    }
    this.#writing = undefined;
  }

  async #writeSome(): Promise<void> {
    const { sink } = this.#options;
    if (this.#rest.length === 0) {
      this.#rest = this.#takeBatch();
      this.#begun = false;
    }
    if (!this.#begun) await sink.begin(this.#rest.length);
    this.#begun = true;
    while (this.#rest.length > 0) this.#rest = this.#rest.subarray(await sink.append(this.#rest));
  }

  #takeBatch(): Buffer {
    let length = 0;
    let count = 0;
    while (count < this.#lines.length && length < MAX_BATCH) {
      length += this.#lines[count]?.length ?? 0;
      count += 1;
    }
    const lines = this.#lines.splice(0, count);
    this.#waiting -= length;
    if (this.#dropped > 0) {
      lines.unshift(
        JSON.stringify({ time: new Date(this.#options.now()).toISOString(), dropped: this.#dropped }),
      );
      this.#dropped = 0;
    }
    return Buffer.from(`${lines.join('\n')}\n`, 'utf8');
  }

  async #pause(): Promise<void> {
    const { retryMs = DEFAULT_RETRY_MS } = this.#options;
    await delay(retryMs, undefined, { signal: this.#closing.signal }).catch(() => undefined);
  }
}

function linesIn(bytes: Buffer): number {
  let count = 0;
  for (const byte of bytes) if (byte === LINE_BREAK) count += 1;
  return count;
}
