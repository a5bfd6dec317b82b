import type { Buffer } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import { GtpackError } from '../../errors.ts';
import type { HttpGrant } from '../../grant/http-grant.ts';
import type { Rate } from '../../written/rate.ts';
import type { CapabilityCall } from '../capability.ts';
import { valuesOf } from '../http/header.ts';
import type { HttpResponse } from '../http/response.ts';
import type { HttpCapability } from '../http.ts';
import { Pace, seconds } from './pace.ts';
import type { VendorCapabilityOptions } from './vendor-options.ts';

/** A key that a cell made; see http/request.ts. */
const KEY = /^[A-Za-z0-9._-]{1,128}$/;
const DIGITS = /^\d{1,12}$/;

export interface VendorRequest {
  /** Path and query of the vendor's API. */
  readonly path: string;
  readonly contentType: string;
  readonly body: Buffer;
  /** What it costs of the rate. */
  readonly amount: number;
}

export interface VendorAccount {
  readonly http: HttpGrant;
  readonly origin: string;
  readonly rate: Rate;
}

/** Posts to a vendor's API, within the rate of a grant and the pauses that the vendor asks for. */
export class VendorPost {
  readonly #capability: 'sendgrid' | 'twilio';
  readonly #http: HttpCapability;
  readonly #pace: Pace;
  readonly #now: () => number;

  constructor(capability: 'sendgrid' | 'twilio', options: VendorCapabilityOptions) {
    const { http, now = Date.now, monotonicMs = () => performance.now() } = options;
    this.#capability = capability;
    this.#http = http;
    this.#pace = new Pace(capability, monotonicMs);
    this.#now = now;
  }

  /**
   * @returns the vendor's answer, whatever its status; after one of 429 or 500 and above nothing more is sent for as long as it asks
   * @throws GtpackError `grant_rate_exceeded`, `sendgrid_rate_limited`, `twilio_rate_limited`, `capability_denied` for an
   *   address that is not granted, and what a request of http fails with
   */
  async post(call: CapabilityCall, account: VendorAccount, request: VendorRequest): Promise<HttpResponse> {
    const capability = this.#capability;
    const http = this.#http;
    const pace = this.#pace;
    const { tenant, source, key, signal } = call;
    const pausedMs = pace.pausedMs(call);
    if (pausedMs > 0) throw rateLimited(capability, account.origin, pausedMs);
    pace.take(call, account.rate, request.amount);
    const scope = { tenant, source, grant: account.http, capability };
    const response = await http.send(
      scope,
      {
        url: new URL(request.path, account.origin),
        method: 'POST',
        headers: [
          ['user-agent', 'gtpack'],
          ['accept', 'application/json'],
          ['accept-encoding', 'gzip, deflate, br'],
          ['content-type', request.contentType],
          ['idempotency-key', key !== undefined && KEY.test(key) ? key : randomUUID()],
        ],
        body: request.body,
        timeoutMs: account.http.timeoutMs,
        auth: null,
      },
      signal,
    );
    const waitMs = this.pauseOf(response);
    if (waitMs !== undefined && waitMs > 0) pace.pause(call, account.rate, waitMs);
    return response;
  }

  /** What an answer of 429 or 500 and above asks for, in milliseconds; undefined where it asks for none. */
  pauseOf({ status, headers }: HttpResponse): number | undefined {
    if (status !== 429 && status < 500) return undefined;
    const now = this.#now();
    const [retryAfter] = valuesOf(headers, 'retry-after');
    if (retryAfter !== undefined) {
      const at = DIGITS.test(retryAfter) ? now + Number(retryAfter) * 1000 : Date.parse(retryAfter);
      if (!Number.isNaN(at)) return Math.max(0, at - now);
    }
    const [reset] = status === 429 ? valuesOf(headers, 'x-ratelimit-reset') : [];
    return reset !== undefined && DIGITS.test(reset) ? Math.max(0, Number(reset) * 1000 - now) : undefined;
  }
}

const RATE_LIMITED = { sendgrid: 'sendgrid_rate_limited', twilio: 'twilio_rate_limited' } as const;

/** The vendor has had too much, and said so now or a moment ago. */
export function rateLimited(
  capability: keyof typeof RATE_LIMITED,
  origin: string,
  waitMs: number | undefined,
  words = '',
): GtpackError {
  const pause = waitMs === undefined ? '' : ` for ${seconds(waitMs)}`;
  return new GtpackError(
    RATE_LIMITED[capability],
    `${origin} takes no more at present and asks to be left alone${pause}.${words === '' ? '' : ` It says: ${words}`}`,
    waitMs === undefined ? {} : { retryAfterMs: waitMs },
  );
}
