import type * as z from 'zod';
import type { Rate } from '../written/rate.ts';
import { Fault, mapping, text } from '../written/readers.ts';
import { type HttpGrant, list } from './http-grant.ts';
import { ORIGIN_FORM, type OriginPattern, originMatches, readOriginPattern } from './origin-pattern.ts';
import {
  isMessagingService,
  isSenderName,
  NUMBER_PREFIX_FORM,
  numberMatches,
  readNumberPrefix,
} from './phone-number.ts';
import { secretName } from './secret-name.ts';
import {
  type AccountFile,
  accountHttp,
  accountIssues,
  accountKeys,
  defaultRate,
  type GrantIssue,
  originOf,
} from './vendor-account.ts';

const HOME = 'https://api.twilio.com';
const SENDER_FORM =
  'a sender such as "+41791234567", "MG" and 32 hex digits, a short code, or a name of up to 11 letters,';

/**
 * `twilio` of a provider's grants, as people write it. `account`, `from`, `to` and one of `auth_token` and `api_key` with
 * `secret` are needed.
 *
 *     twilio:
 *       account: AC0123…                         # its sid
 *       auth_token: TWILIO_TOKEN                 # name of the secret; or:
 *       api_key: SK0123…                         # sid of an API key, and
 *       secret: TWILIO_SECRET                    # name of the secret of that key
 *       from: ["+41791234567", "MG0123…"]        # numbers, short codes, names, messaging services
 *       to: ["+41", "+44"]                       # the beginning of numbers; "+1" is all of North America; "*" for any
 *       rate: 60/min                             # messages; default 60/min
 *       media: ["cdn.example.com"]               # hosts of media that Twilio is to fetch; default: none
 *       status_callback: https://hooks.example.com/v1/events/ingress/sms/default/status   # default: none
 *       base_url: https://api.dublin.ie1.twilio.com   # default https://api.twilio.com
 *       networks: ["127.0.0.0/8"]                # networks that are not public; default: none
 *       timeout: 10s                             # of a call; default 10s
 */
export const twilioGrantShape = mapping({
  account: text('the sid of an account, "AC" and 32 hex digits,', (sid) => readSid('AC', sid)),
  auth_token: secretName.optional(),
  api_key: text('the sid of an API key, "SK" and 32 hex digits,', (sid) => readSid('SK', sid)).optional(),
  secret: secretName.optional(),
  from: list(text(SENDER_FORM, readSender), 'a list of senders'),
  to: list(text(NUMBER_PREFIX_FORM, readNumberPrefix), 'a list of the beginnings of numbers'),
  media: list(text(ORIGIN_FORM, readMediaHost), 'a list of hosts').optional(),
  status_callback: text(
    'a URL such as "https://hooks.example.com/v1/events/ingress/sms/default/status", without user, query and fragment,',
    readCallback,
  ).optional(),
  ...accountKeys,
}).superRefine((file, context) => {
  for (const issue of [...accountIssues(file), ...loginIssues(file), ...callbackIssues(file)]) {
    context.addIssue({ ...issue });
  }
});

type TwilioGrantFile = z.output<typeof twilioGrantShape>;

function readSid(kind: string, sid: string): string | undefined {
  return new RegExp(`^${kind}[0-9a-fA-F]{32}$`).test(sid) ? sid : undefined;
}

function readSender(written: string): string | undefined {
  return isMessagingService(written) || isSenderName(written) ? written : undefined;
}

function readMediaHost(written: string): OriginPattern | Fault | undefined {
  const origin = readOriginPattern(written);
  if (origin === undefined || origin instanceof Fault || origin.protocol === 'https:') return origin;
  return new Fault(`Media are fetched by https; ${origin.text} says http.`);
}

function readCallback(written: string): URL | undefined {
  const url = URL.parse(written);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return undefined;
  const { username, password, search, hash } = url;
  return [username, password, search, hash].every((part) => part === '') ? url : undefined;
}

interface LoginFile {
  readonly auth_token?: string | undefined;
  readonly api_key?: string | undefined;
  readonly secret?: string | undefined;
}

function loginIssues({ auth_token, api_key, secret }: LoginFile): GrantIssue[] {
  const byToken = auth_token !== undefined && api_key === undefined && secret === undefined;
  const byKey = auth_token === undefined && api_key !== undefined && secret !== undefined;
  if (byToken || byKey) return [];
  const message = 'Either auth_token was expected, or api_key with secret.';
  return [{ code: 'custom', path: [], message }];
}

/** Who is called back hears who got which message, so that goes out in the clear only to where a test runs. */
function callbackIssues({
  status_callback: url,
  networks = [],
}: AccountFile & { readonly status_callback?: URL | undefined }): GrantIssue[] {
  if (url === undefined || url.protocol === 'https:' || networks.length > 0) return [];
  const message =
    'https was expected; plain HTTP is for networks of the operator’s, as in networks: ["127.0.0.0/8"].';
  return [{ code: 'custom', path: ['status_callback'], message }];
}

/** Which messages a provider may send, and by which account. */
export class TwilioGrant {
  readonly account: string;
  /** Name of the secret that its token, or the secret of its key, is. */
  readonly key: string;
  /** Which key of the grant says so. */
  readonly keyPlace: 'auth_token' | 'secret';
  readonly from: readonly string[];
  readonly to: readonly string[];
  /** Messages. */
  readonly rate: Rate;
  readonly media: readonly OriginPattern[];
  readonly statusCallback: string | null;
  readonly http: HttpGrant;
  /** Of the vendor's API. */
  readonly origin: string;

  constructor(file: TwilioGrantFile) {
    const { account, auth_token, api_key, secret = '' } = file;
    this.account = account;
    this.key = auth_token ?? secret;
    this.keyPlace = auth_token === undefined ? 'secret' : 'auth_token';
    this.from = file.from;
    this.to = file.to;
    this.rate = file.rate ?? defaultRate('60/min');
    this.media = file.media ?? [];
    this.statusCallback = file.status_callback?.href ?? null;
    const user = api_key ?? account;
    this.http = accountHttp(file, HOME, { secret: this.key, scheme: 'basic', user, path: [] });
    this.origin = originOf(this.http);
  }

  /** A number, short code or name; or the sid of a messaging service. */
  allowsSender(sender: string): boolean {
    return this.from.includes(sender);
  }

  allowsRecipient(number: string): boolean {
    return this.to.some((prefix) => numberMatches(prefix, number));
  }

  allowsMedia(url: URL): boolean {
    return this.media.some((pattern) => originMatches(pattern, url));
  }

  /** The granted URL, with any query. */
  allowsCallback(url: URL): boolean {
    return (
      this.statusCallback !== null &&
      `${url.origin}${url.pathname}` === this.statusCallback &&
      url.hash === ''
    );
  }
}
