import { GtpackError } from '../errors.ts';

const LINE_FEED = 0x0a;

/** Cuts a stream of bytes into lines; holds at most one line that is not whole yet (C3). */
export class LineSplitter {
  #rest: Buffer[] = [];
  #restBytes = 0;
  readonly #maxBytes: number;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * The lines that this chunk makes whole, without their line feeds; empty ones left out.
   * @throws GtpackError `control_message_invalid` when a line is longer than the bound; nothing may be pushed after
   */
  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
      this.#keep(chunk.subarray(start, end));
      const line = Buffer.concat(this.#rest, this.#restBytes).toString('utf8');
      this.#rest = [];
      this.#restBytes = 0;
      if (line !== '') lines.push(line);
      start = end + 1;
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start));
    return lines;
  }

  #keep(part: Buffer): void {
    this.#restBytes += part.length;
    if (this.#restBytes > this.#maxBytes) {
      throw new GtpackError(
        'control_message_invalid',
        `A line on the control socket is longer than ${this.#maxBytes} bytes.`,
      );
    }
    this.#rest.push(part);
  }
}
