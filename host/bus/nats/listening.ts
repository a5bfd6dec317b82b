import { Buffer } from 'node:buffer';
import { parseEventType, type TenantId } from '../../event/names.ts';
import type { TappedMessage } from '../bus.ts';
import type { Msg } from './client.ts';
import { type EventMessages, publisherOf, sealedBy } from './event-message.ts';
import type { HostKey } from './host-key.ts';
import { split } from './incoming.ts';

export interface ListeningParts {
  readonly key: HostKey;
  readonly messages: EventMessages;
  /** Tells this host apart from all others. */
  readonly name: string;
}

const RESULT = '.result';

/**
 * What other hosts publish, as a plain subscription shows it. This host's own is told once it is durable, and what no
 * host published once a consumer took it for an event.
 */
export class Listening {
  readonly #parts: ListeningParts;

  constructor(parts: ListeningParts) {
    this.#parts = parts;
  }

  /** @param kind of what is published on the subject: results stand among events */
  read(message: Msg, prefix: string, kind: 'event' | 'dead_letter'): TappedMessage | undefined {
    const { subject, headers, data } = message;
    const publisher = publisherOf(headers);
    if (headers === undefined || publisher === '' || publisher === this.#parts.name) return undefined;
    const [tenant, rest] = split(subject.slice(prefix.length));
    const isResult = kind === 'event' && rest.endsWith(RESULT);
    try {
      const type = parseEventType(isResult ? rest.slice(0, -RESULT.length) : rest);
      const told = { tenant: tenant as TenantId, type, json: Buffer.from(data).toString() };
      const { messages, key } = this.#parts;
      if (kind === 'event' && !isResult)
        return messages.decode(subject, type, data, headers) === undefined ? undefined : { kind, ...told };
      if (sealedBy(key, subject, data, headers) === undefined) return undefined;
      return { kind: isResult ? 'result' : kind, ...told };
    } catch {
      return undefined;
    }
  }
}
