import { Buffer } from 'node:buffer';
import { createHmac, randomBytes } from 'node:crypto';
import { GtpackError } from '../../errors.ts';
import type { TenantId } from '../../event/names.ts';
import { Kvm } from './client.ts';
import type { Connection } from './connection.ts';
import type { Layout } from './layout.ts';

const KEY_BYTES = 32;
const TOKEN_CHARACTERS = 22;

/**
 * What the hosts of one env know and nobody else: whoever publishes on the same server can neither make a message that
 * passes for a host's, nor guess the ids under which the server drops duplicates.
 */
export class HostKey {
  readonly #key: Buffer;

  constructor(key: Buffer) {
    this.#key = key;
  }

  /** The key of the env, made by the first host that asks. @throws GtpackError `bus_unavailable`, `bus_mismatch` */
  static async open(connection: Connection, layout: Layout): Promise<HostKey> {
    const bucket = await new Kvm(connection.jetstream).create(layout.secrets, {
      history: 1,
      replicas: connection.replicas,
    });
    const name = 'key';
    // Whoever is second reads what the first one made.
    await bucket.create(name, randomBytes(KEY_BYTES).toString('base64')).catch(() => undefined);
    const text = (await bucket.get(name))?.string() ?? '';
    const key = Buffer.from(text, 'base64');
    if (key.length === KEY_BYTES) return new HostKey(key);
    throw new GtpackError(
      'bus_mismatch',
      `The key of the env ${layout.env} in the bucket ${layout.secrets} is ${key.length} bytes long; ${KEY_BYTES} were expected.`,
      { cure: 'Put back the one that was there. A new one makes strangers of all events that wait.' },
    );
  }

  /** Names an event in subjects and as its message id: per tenant, so that nobody can keep out another's event (B4). */
  idToken(tenant: TenantId, id: string): string {
    return this.#mac('id', tenant, id).slice(0, TOKEN_CHARACTERS);
  }

  /**
   * The id of an event that came without one: the same wherever and however often the message is given out, and nobody
   * can guess it, to take it first and have the event kept out as a duplicate (B4).
   */
  unnamedId(tenant: TenantId, position: number, storedAt: number): string {
    return `nats-${this.#mac('unnamed', tenant, String(position), String(storedAt)).slice(0, TOKEN_CHARACTERS)}`;
  }

  runToken(runId: string): string {
    return this.#mac('run', runId).slice(0, TOKEN_CHARACTERS);
  }

  /** A message id for what may be published again after a crash. */
  messageId(...parts: readonly string[]): string {
    return this.#mac('message', ...parts).slice(0, TOKEN_CHARACTERS);
  }

  /** Shows that a host made a message. */
  seal(...parts: readonly (string | Uint8Array)[]): string {
    return this.#mac('seal', ...parts);
  }

  #mac(...parts: readonly (string | Uint8Array)[]): string {
    const mac = createHmac('sha256', this.#key);
    for (const part of parts) {
      // Its length goes first, so that no two lists of parts make one text.
      mac.update(`${typeof part === 'string' ? Buffer.byteLength(part) : part.length}:`);
      mac.update(part);
    }
    return mac.digest('base64url');
  }
}
