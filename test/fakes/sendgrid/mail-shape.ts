/** What the rules of a body have in common. */

export interface MailError {
  readonly message: string;
  readonly field: string | null;
  readonly help: string | null;
}

export interface Address {
  readonly email: string;
  readonly name?: string;
}

export interface Personalization {
  readonly to: readonly Address[];
  readonly cc?: readonly Address[];
  readonly bcc?: readonly Address[];
  readonly subject?: string;
  readonly dynamic_template_data?: Readonly<Record<string, unknown>>;
  readonly custom_args?: Readonly<Record<string, string>>;
}

export interface Mail {
  readonly personalizations: readonly Personalization[];
  readonly from: Address;
  readonly subject?: string;
  readonly content?: readonly { readonly type: string; readonly value: string }[];
  readonly attachments?: readonly {
    readonly content: string;
    readonly filename: string;
    readonly type?: string;
  }[];
  readonly template_id?: string;
  readonly categories?: readonly string[];
  readonly custom_args?: Readonly<Record<string, string>>;
  readonly send_at?: number;
  readonly mail_settings?: { readonly sandbox_mode?: { readonly enable?: boolean } };
}

export type Fields = Readonly<Record<string, unknown>>;
export type Kind = 'string' | 'integer' | 'boolean' | 'array' | 'object';

export type Tell = (field: string, message: string, anchor?: string) => void;

/** Headers that the vendor sets itself. */
const RESERVED_HEADERS = new Set(
  'x-sg-id x-sg-eid received dkim-signature content-transfer-encoding content-type to from subject reply-to cc bcc'.split(
    ' ',
  ),
);

const MAX_SCHEDULE_SECONDS = 72 * 3600;

/** @returns the address in lower case if it is one */
export function checkAddress(value: unknown, path: string, tell: Tell, missing: string): string | undefined {
  if (!isFields(value)) {
    tell(`${path}.email`, missing, `message.${path.replace(/\.\d+/g, '')}`);
    return undefined;
  }
  checkKeys(value, { email: 'string', name: 'string' }, `${path}.`, tell);
  const { email } = value;
  if (
    typeof email !== 'string' ||
    !/^[^\s@<>,;"]+@[^\s@<>,;"]+\.[^\s@<>,;".]+$/.test(email) ||
    email.length > 320
  ) {
    tell(`${path}.email`, 'Does not contain a valid address.', `message.${path.replace(/\.\d+/g, '')}`);
    return undefined;
  }
  return email.toLowerCase();
}

export function checkHeaders(headers: unknown, path: string, tell: Tell): void {
  if (!isFields(headers)) return;
  for (const [name, value] of Object.entries(headers)) {
    if (RESERVED_HEADERS.has(name.toLowerCase())) {
      tell(
        `${path}.${name}`,
        `The header ${name} is reserved and may not be overwritten.`,
        'message.headers',
      );
    }
    if (typeof value !== 'string' || /[\r\n]/.test(name + value)) {
      tell(`${path}.${name}`, 'Headers must be strings without line breaks.', 'message.headers');
    }
  }
}

export function checkSendAt(sendAt: unknown, path: string, nowSeconds: number, tell: Tell): void {
  if (typeof sendAt === 'number' && sendAt > nowSeconds + MAX_SCHEDULE_SECONDS) {
    tell(path, 'Scheduling more than 72 hours in advance is forbidden.', 'message.send_at');
  }
}

export function checkKeys(
  value: Fields,
  keys: Readonly<Record<string, Kind>>,
  path: string,
  tell: Tell,
): void {
  for (const [key, member] of Object.entries(value)) {
    const expected = Object.hasOwn(keys, key) ? keys[key] : undefined;
    if (expected === undefined) tell(path + key, `Additional property ${key} is not allowed`);
    else if (kindOf(member) !== expected) {
      tell(path + key, `Invalid type. Expected: ${expected}, given: ${kindOf(member)}.`);
    }
  }
}

export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value === 'number' ? (Number.isInteger(value) ? 'integer' : 'number') : typeof value;
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
