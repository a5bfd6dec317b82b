import type { TapListener, TappedMessage } from '../bus/bus.ts';
import type { EnvName } from '../event/names.ts';
import { deadLetterSubject, eventSubject, resultSubject } from '../event/subject.ts';
import { itemLine, MAX_REPLY_BYTES } from './protocol.ts';

/** Where a feed writes to: the part of a socket it needs. */
export interface FeedSink {
  /** Bytes that were written and have not left yet. */
  readonly writableLength: number;
  write(text: string): unknown;
}

/** What may wait for a slow reader (C4). */
const MAX_WAITING_BYTES = 1024 * 1024;
const ENVELOPE_BYTES = 1024;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const ALL_CONTROL_CHARACTERS = /[\u0000-\u001f\u007f]/g;

/**
 * Writes what passes on the bus to one reader, as
 * `{"kind":"event","subject":"…","tenant":"…","type":"…","event":{…}}`. A reader that is behind by more than 1 MiB misses
 * messages, and is then sent `{"kind":"dropped","count":N}` in their place.
 */
export class TailFeed {
  readonly #env: EnvName;
  readonly #tenant: string | undefined;
  readonly #sink: FeedSink;
  #dropped = 0;

  constructor(env: EnvName, tenant: string | undefined, sink: FeedSink) {
    this.#env = env;
    this.#tenant = tenant;
    this.#sink = sink;
  }

  readonly listener: TapListener = (messages) => {
    for (const message of messages) {
      if (this.#tenant === undefined || message.tenant === this.#tenant) this.#send(message);
    }
  };

  /** The sink has room again. */
  drained(): void {
    if (this.#dropped === 0) return;
    this.#sink.write(itemLine(`{"kind":"dropped","count":${this.#dropped}}`));
    this.#dropped = 0;
  }

  #send(message: TappedMessage): void {
    const bytes = Buffer.byteLength(message.json);
    const tooLarge = bytes > MAX_REPLY_BYTES - ENVELOPE_BYTES;
    if (tooLarge || this.#sink.writableLength > MAX_WAITING_BYTES) {
      this.#dropped += 1;
      // Nothing waits, so nothing will drain.
      if (this.#sink.writableLength === 0) this.drained();
      return;
    }
    // Room came before the news of it.
    this.drained();
    this.#sink.write(itemLine(this.#item(message)));
  }

  #item({ kind, tenant, type, json }: TappedMessage): string {
    const head = `{"kind":"${kind}","subject":"${this.#subject(kind, tenant, type)}","tenant":"${tenant}","type":"${type}"`;
    return `${head},"${kind === 'result' ? 'result' : 'event'}":${oneLine(json)}}`;
  }

  #subject(
    kind: TappedMessage['kind'],
    tenant: TappedMessage['tenant'],
    type: TappedMessage['type'],
  ): string {
    switch (kind) {
      case 'event':
        return eventSubject(this.#env, tenant, type);
      case 'result':
        return resultSubject(this.#env, tenant, type);
      case 'dead_letter':
        return deadLetterSubject(this.#env, tenant, type);
    }
  }
}

/** In JSON a control character can only be white space between tokens; a text from a cell may hold one all the same. */
function oneLine(json: string): string {
  return CONTROL_CHARACTERS.test(json) ? json.replace(ALL_CONTROL_CHARACTERS, ' ') : json;
}
