import { Buffer } from 'node:buffer';
import { GtpackError } from '../../errors.ts';
import type { TenantId } from '../../event/names.ts';
import type { IngressFault } from '../delivery.ts';
import type { ReceivedRequest } from '../request.ts';
import type { Destination } from '../route.ts';
import { isHandshake, signatureRefused } from './handshake.ts';

export interface AdmissionOptions {
  /** Hears which signature was refused and why. Must not throw. */
  readonly onRefused: (fault: IngressFault) => void;
}

/** Whoever sends without a secret must not be able to fill the operator's log. */
const LINES_PER_WINDOW = 5;
const WINDOW_MS = 10_000;
const NO_BODY = Buffer.alloc(0);

/** Why a request was let in. */
export interface Admitted {
  /** The scheme that verified it; null for a handshake, and where the bundle asks for no signature. */
  readonly verified: string | null;
  /** It may be answered, and becomes no event. */
  readonly isHandshake: boolean;
}

const UNCHECKED: Admitted = { verified: null, isHandshake: false };
const HANDSHAKE: Admitted = { verified: null, isHandshake: true };

interface Window {
  endsAt: number;
  lines: number;
  /** Refused since the last line. */
  untold: number;
}

/** Lets requests in by their signature, and says to sender and operator what each may know of a refusal. */
export class Admission {
  readonly #options: AdmissionOptions;
  /** By tenant and provider, of which a bundle has so many. */
  readonly #windows = new Map<string, Window>();

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** @throws GtpackError `signature_refused`, `signature_stale` */
  admit({ verifier, tenant, provider }: Destination, received: ReceivedRequest, now: number): Admitted {
    if (verifier === null) return UNCHECKED;
    const { url, headers, body = NO_BODY } = received;
    const verdict = verifier.verify({ url, headers, body }, now);
    if (verdict.kind === 'verified') return { verified: verdict.scheme, isHandshake: false };
    // G4
    const asks =
      verdict.kind === 'unsigned' && verifier.handshakes.some((kind) => isHandshake(kind, received));
    if (asks) return HANDSHAKE;
    this.#tell(tenant.id, provider, verdict.why, now);
    // G3
    throw verdict.kind === 'stale'
      ? new GtpackError('signature_stale', 'The request was not signed within the time that is allowed here.')
      : signatureRefused();
  }

  #tell(tenant: TenantId, provider: string, why: string, now: number): void {
    const key = `${tenant} ${provider}`;
    let window = this.#windows.get(key);
    if (window === undefined || now >= window.endsAt) {
      window = { endsAt: now + WINDOW_MS, lines: 0, untold: window?.untold ?? 0 };
      this.#windows.set(key, window);
    }
    if (window.lines === LINES_PER_WINDOW) {
      window.untold += 1;
      return;
    }
    const more = window.untold === 0 ? '' : ` So were ${window.untold} more, of which there is no line.`;
    window.lines += 1;
    window.untold = 0;
    this.#options.onRefused({ tenant, provider, message: `A request was refused: ${why}.${more}` });
  }
}
