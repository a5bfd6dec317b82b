import type { Duplex } from 'node:stream';
import { deserialize, serialize } from 'node:v8';

/** Of one frame: the modules of a cell, or what a batch of events takes. More is no message of ours. */
const MAX_FRAME_BYTES = 512 * 1024 ** 2;
const HEAD_BYTES = 4;

/** What came is no frame, or no structured clone. Nothing behind it can be told apart any more. */
export class FrameFault extends Error {
  override readonly name = 'FrameFault';
}

/** A message as it crosses: its length in bytes, 32 bits with the low byte first, and its structured clone as V8 writes it. */
export function frameOf(message: unknown): readonly [head: Buffer, body: Buffer] {
  const body = serialize(message);
  const head = Buffer.allocUnsafe(HEAD_BYTES);
  head.writeUInt32LE(body.length);
  return [head, body];
}

/** Puts chunks of a stream together to messages. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #held = 0;
  /** Of the frame whose length is known. */
  #bodyBytes: number | undefined;

  /** @returns the messages that are whole now @throws FrameFault */
  take(chunk: Buffer): unknown[] {
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    const messages: unknown[] = [];
    for (;;) {
      if (this.#bodyBytes === undefined) {
        if (this.#held < HEAD_BYTES) return messages;
        this.#bodyBytes = this.#cut(HEAD_BYTES).readUInt32LE(0);
        if (this.#bodyBytes > MAX_FRAME_BYTES)
          throw new FrameFault(`A frame of ${this.#bodyBytes} bytes was announced.`);
      }
      if (this.#held < this.#bodyBytes) return messages;
      const body = this.#cut(this.#bodyBytes);
      this.#bodyBytes = undefined;
      messages.push(messageOf(body));
    }
  }

  /** The first so many bytes, of those that are held. */
  #cut(bytes: number): Buffer {
    const [first] = this.#chunks;
    // A large frame comes in many chunks; they are copied together once, when all of it is there.
    const all =
      first !== undefined && first.length >= bytes ? first : Buffer.concat(this.#chunks, this.#held);
    if (all !== first) this.#chunks = [all];
    const rest = all.subarray(bytes);
    if (rest.length === 0) this.#chunks.shift();
    else this.#chunks[0] = rest;
    this.#held -= bytes;
    return all.subarray(0, bytes);
  }
}

function messageOf(body: Buffer): unknown {
  try {
    return deserialize(body);
  } catch (error) {
    throw new FrameFault('What came is no structured clone.', { cause: error });
  }
}

export interface FrameListener {
  onMessage(message: unknown): void;
  /** Nothing more is heard. */
  onFault(fault: FrameFault): void;
}

/**
 * Structured clones over a pipe. Node's own channel between processes ends the process that reads from it when the other
 * one writes what V8 can't read; here that is a fault like any other.
 */
export class FrameChannel {
  readonly #stream: Duplex;

  constructor(stream: Duplex, { onMessage, onFault }: FrameListener) {
    this.#stream = stream;
    const reader = new FrameReader();
    const hear = (chunk: Buffer): void => {
      let messages: readonly unknown[];
      try {
        messages = reader.take(chunk);
      } catch (error) {
        if (!(error instanceof FrameFault)) throw error;
        stream.off('data', hear);
        onFault(error);
        return;
      }
      for (const message of messages) onMessage(message);
    };
    stream.on('data', hear);
    // The other side is ending; its exit tells the rest.
    stream.on('error', () => undefined);
  }

  send(message: unknown): void {
    if (!this.#stream.writable) return;
    const [head, body] = frameOf(message);
    this.#stream.cork();
    this.#stream.write(head);
    this.#stream.write(body);
    this.#stream.uncork();
  }
}
