import type { IncomingMessage } from 'node:http';
import { GtpackError } from '../errors.ts';
import { SharedAmount } from '../fairness/share.ts';

/**
 * How many bytes of bodies the process holds, over all connections. The cap of one body alone would let a few
 * thousand slow senders fill the memory; and of all of it one tenant may have no more than it leaves free for others.
 */
export class BodyBudget {
  readonly #held: SharedAmount;

  constructor(maxBytes: number) {
    this.#held = new SharedAmount(maxBytes);
  }

  /**
   * Whether the bytes were taken; if so they must be given back.
   * @param tenant as the URL names it, whether there is such a one or not
   */
  take(tenant: string, bytes: number): boolean {
    if (!this.#held.hasRoom(tenant, bytes)) return false;
    this.#held.add(tenant, bytes);
    return true;
  }

  giveBack(tenant: string, bytes: number): void {
    this.#held.remove(tenant, bytes);
  }

  get heldBytes(): number {
    return this.#held.inAll;
  }
}

export interface BodyReaderOptions {
  readonly maxBodyBytes: number;
  readonly budget: BodyBudget;
  /** Whose share of the budget it takes. */
  readonly tenant: string;
}

/**
 * Reads a body whole, as bytes. On success the bytes stay taken from the budget, and the receiver gives them back.
 *
 * A body over the cap is read on and thrown away up to four times the cap before it is refused: a sender that is still
 * writing when its connection closes never sees the answer.
 */
export function readBody(
  payload: IncomingMessage,
  { maxBodyBytes, budget, tenant }: BodyReaderOptions,
  done: (error: Error | null, body?: Buffer) => void,
): void {
  const chunks: Buffer[] = [];
  let received = 0;
  let taken = 0;
  let fault: GtpackError | undefined;

  const fail = (error: GtpackError): void => {
    fault = error;
    chunks.length = 0;
    budget.giveBack(tenant, taken);
    taken = 0;
  };
  const finish = (error: Error | null): void => {
    payload.off('data', onData);
    payload.off('end', onEnd);
    payload.off('error', onError);
    payload.off('close', onClose);
    if (error !== null) {
      done(error);
      return;
    }
    // A copy, not a view: the socket's read buffer is used again.
    done(null, Buffer.concat(chunks, received));
  };
  const onData = (chunk: Buffer): void => {
    received += chunk.length;
    if (fault !== undefined) {
      if (received > 4 * maxBodyBytes) finish(fault);
    } else if (received > maxBodyBytes) {
      fail(bodyTooLarge(maxBodyBytes));
    } else if (budget.take(tenant, chunk.length)) {
      taken += chunk.length;
      chunks.push(chunk);
    } else {
      fail(new GtpackError('host_busy', 'The host holds as many request bodies as it can.'));
    }
  };
  const onEnd = (): void => finish(fault ?? null);
  const aborted = (): void => {
    if (fault === undefined) fail(new GtpackError('request_invalid', 'The body ended before its length.'));
    finish(fault ?? null);
  };
  const onError = aborted;
  const onClose = aborted;

  const declared = Number(payload.headers['content-length']);
  if (declared > 4 * maxBodyBytes) {
    done(bodyTooLarge(maxBodyBytes));
    return;
  }
  if (declared > maxBodyBytes) fail(bodyTooLarge(maxBodyBytes));
  payload.on('data', onData);
  payload.on('end', onEnd);
  payload.on('error', onError);
  payload.on('close', onClose);
}

/** The one message about a body's size, for the server's cap and for a tenant's. */
export function bodyTooLarge(maxBytes: number): GtpackError {
  return new GtpackError(
    'body_too_large',
    `The body is larger than the ${maxBytes} bytes that are taken here.`,
  );
}
