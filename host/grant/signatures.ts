import * as z from 'zod';
import { duration, Fault, fault, mapping, text } from '../written/readers.ts';
import { suggestion } from '../yaml.ts';
import { isHeaderName } from './header-names.ts';
import { secretName } from './secret-name.ts';
import { PAYLOAD_FORM, readPayload, signsTimestamp } from './signature-payload.ts';
import {
  DEFAULT_TOLERANCE_MS,
  type HmacScheme,
  type PayloadPart,
  presetOf,
  SIGNATURE_PRESETS,
  type SignatureScheme,
} from './signature-scheme.ts';

/**
 * `signatures` of a provider, as people write it: how its senders sign, by the name of the scheme.
 *
 *     signatures:
 *       github: { secret: GITHUB_SECRET }
 *       stripe: { secret: [STRIPE_SECRET, STRIPE_SECRET_BEFORE], tolerance: 10m }
 *       acme: { header: x-acme-signature, algorithm: sha512, encoding: base64, secret: ACME_SECRET }
 *
 * A name that is no preset is an HMAC that says its `header`. A preset may repeat its own `header` and `algorithm`, as
 * vendors' pages do, and changes nothing but its `tolerance`.
 */

const MAX_SCHEMES = 8;
/** Each of them costs a hash of the body for every request, whoever sent it. */
const MAX_SECRETS = 4;
const MAX_TOLERANCE_MS = 7 * 86_400_000;
const NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/;
const ONLY_BODY: readonly PayloadPart[] = [{ kind: 'body' }];
const TIMESTAMP_AND_BODY: readonly PayloadPart[] = [
  { kind: 'timestamp' },
  { kind: 'text', text: '.' },
  { kind: 'body' },
];

const schemeShape = mapping({
  secret: z.unknown().transform(readSecretNames),
  header: text('the name of a header, such as "x-acme-signature",', readHeader).optional(),
  algorithm: oneOf(['sha1', 'sha256', 'sha512']).optional(),
  encoding: oneOf(['hex', 'base64', 'base64url']).optional(),
  prefix: text('a text of visible characters and spaces, at most 64,', readPrefix).optional(),
  timestamp_header: text('the name of a header, such as "x-acme-timestamp",', readHeader).optional(),
  payload: text(PAYLOAD_FORM, readPayload).optional(),
  tolerance: duration(1000, MAX_TOLERANCE_MS).optional(),
});

type SchemeFile = z.output<typeof schemeShape>;
export type SignaturesFile = Readonly<Record<string, SchemeFile>>;

export const signaturesShape = z
  .record(z.string(), schemeShape, {
    error: (issue) => fault('a mapping of schemes, such as { github: { secret: NAME } },', issue.input),
  })
  .superRefine((written, context) => {
    for (const { path, message } of faultsOf(written)) context.addIssue({ code: 'custom', path, message });
  });

/** The schemes in the order of the bundle; none where it says nothing, and then nothing is checked. */
export function parseSignatures(written: SignaturesFile | undefined): readonly SignatureScheme[] {
  return Object.entries(written ?? {}).map(([name, file]) => schemeOf(name, file));
}

function schemeOf(name: string, file: SchemeFile): SignatureScheme {
  const { secret: secrets, tolerance } = file;
  const preset = presetOf(name);
  if (preset === undefined) return hmacOf(name, file);
  if (tolerance === undefined) return { ...preset, name, secrets };
  if (preset.kind === 'hmac') {
    const timestamp = preset.timestamp && { ...preset.timestamp, toleranceMs: tolerance };
    return { ...preset, name, secrets, timestamp };
  }
  return preset.kind === 'twilio'
    ? { ...preset, name, secrets }
    : { ...preset, name, secrets, toleranceMs: tolerance };
}

function hmacOf(name: string, file: SchemeFile): HmacScheme {
  const { timestamp_header } = file;
  return {
    kind: 'hmac',
    name,
    secrets: file.secret,
    header: file.header ?? '',
    algorithm: file.algorithm ?? 'sha256',
    encoding: file.encoding ?? 'hex',
    prefix: file.prefix ?? '',
    payload: file.payload ?? (timestamp_header === undefined ? ONLY_BODY : TIMESTAMP_AND_BODY),
    timestamp:
      timestamp_header === undefined
        ? null
        : { header: timestamp_header, toleranceMs: file.tolerance ?? DEFAULT_TOLERANCE_MS },
  };
}

interface ShapeFault {
  readonly path: string[];
  readonly message: string;
}

function faultsOf(written: SignaturesFile): ShapeFault[] {
  const names = Object.keys(written);
  if (names.length === 0 || names.length > MAX_SCHEMES) {
    return [
      { path: [], message: `1 to ${MAX_SCHEMES} schemes were expected; without any, leave the key out.` },
    ];
  }
  const faults: ShapeFault[] = [];
  const byHeader = new Map<string, string>();
  for (const [name, file] of Object.entries(written)) {
    const add = (key: string, message: string) => faults.push({ path: [name, key], message });
    const preset = presetOf(name);
    if (!NAME.test(name)) {
      faults.push({ path: [name], message: 'A name of a-z, 0-9, "_" and "-" was expected, at most 63.' });
      continue;
    }
    for (const [key, message] of preset === undefined
      ? genericFaults(name, file)
      : presetFaults(name, file)) {
      add(key, message);
    }
    const header = preset?.header ?? file.header;
    const other = header === undefined ? undefined : byHeader.get(header);
    if (other !== undefined) add('header', `${other} has its signature in this header already.`);
    if (header !== undefined) byHeader.set(header, name);
  }
  return faults;
}

function* genericFaults(name: string, file: SchemeFile): Generator<[key: string, message: string]> {
  if (file.header === undefined) {
    const known = suggestion(name, Object.keys(SIGNATURE_PRESETS));
    yield ['header', `${name} is no scheme that is known by its name, so it has to say its header. ${known}`];
  }
  const { payload, timestamp_header, tolerance } = file;
  if (timestamp_header === undefined) {
    if (payload !== undefined && signsTimestamp(payload)) {
      yield ['payload', '{timestamp} is the value of timestamp_header, which is not there.'];
    }
    if (tolerance !== undefined) {
      yield ['tolerance', 'tolerance has no meaning without timestamp_header.'];
    }
  } else if (payload !== undefined && !signsTimestamp(payload)) {
    yield ['timestamp_header', 'A time that is not signed proves nothing: payload has no {timestamp}.'];
  }
}

function* presetFaults(name: string, file: SchemeFile): Generator<[key: string, message: string]> {
  const preset = presetOf(name);
  if (preset === undefined) return;
  const own: Readonly<Record<string, unknown>> = {
    header: preset.header,
    algorithm: ALGORITHMS[preset.kind] ?? (preset.kind === 'hmac' ? preset.algorithm : undefined),
    ...(preset.kind === 'hmac'
      ? { encoding: preset.encoding, prefix: preset.prefix, timestamp_header: preset.timestamp?.header }
      : {}),
  };
  for (const key of ['header', 'algorithm', 'encoding', 'prefix', 'timestamp_header', 'payload'] as const) {
    const value = file[key];
    if (value !== undefined && value !== own[key]) {
      const is = own[key] === undefined ? 'not to be written' : JSON.stringify(own[key]);
      yield [key, `${key} of ${name} is ${is}. Leave it out, or give the scheme a name of its own.`];
    }
  }
  const timed = preset.kind === 'hmac' ? preset.timestamp !== null : preset.kind !== 'twilio';
  if (file.tolerance !== undefined && !timed) {
    yield ['tolerance', `${name} signs no time, so there is none to tolerate.`];
  }
}

const ALGORITHMS: Readonly<Record<string, string>> = {
  stripe: 'sha256',
  'standard-webhooks': 'sha256',
  twilio: 'sha1',
};

function readSecretNames(written: unknown, context: z.RefinementCtx): readonly string[] {
  const names = Array.isArray(written) ? written : [written];
  if (names.length === 0 || names.length > MAX_SECRETS) {
    context.addIssue({ code: 'custom', message: `1 to ${MAX_SECRETS} names of secrets were expected.` });
    return z.NEVER;
  }
  return names.map((name, at) => {
    const parsed = secretName.safeParse(name);
    if (parsed.success) return parsed.data;
    const path = Array.isArray(written) ? [at] : [];
    for (const { message } of parsed.error.issues) context.addIssue({ code: 'custom', message, path });
    return z.NEVER;
  });
}

function readHeader(written: string): string | Fault | undefined {
  const name = written.toLowerCase();
  if (!isHeaderName(name) || name.length > 128) return undefined;
  return name === 'set-cookie' ? new Fault('A request has no header set-cookie.') : name;
}

function readPrefix(written: string): string | undefined {
  return /^(?:[\x21-\x7e][\x20-\x7e]{0,63})?$/.test(written) ? written : undefined;
}

function oneOf<const T extends readonly [string, ...string[]]>(values: T) {
  const expected = values.map((value) => JSON.stringify(value)).join(', ');
  return z.enum(values, { error: (issue) => fault(`one of ${expected}`, issue.input) });
}
