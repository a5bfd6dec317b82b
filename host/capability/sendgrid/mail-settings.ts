import type { Json } from '../../event/json.ts';
import { below, type DocumentReader, type JsonMap } from '../vendor/document.ts';

const BYPASSES = [
  'bypass_list_management',
  'bypass_spam_management',
  'bypass_bounce_management',
  'bypass_unsubscribe_management',
] as const;

/** Not `bcc`, which copies every email to an address, nor `spam_check`, which posts it to a URL: no grant says where. */
const MAIL_KEYS: Readonly<Record<string, readonly string[]>> = {
  footer: ['enable', 'text', 'html'],
  sandbox_mode: ['enable'],
  ...Object.fromEntries(BYPASSES.map((name) => [name, ['enable']])),
};

const TRACKING_KEYS: Readonly<Record<string, readonly string[]>> = {
  click_tracking: ['enable', 'enable_text'],
  open_tracking: ['enable', 'substitution_tag'],
  subscription_tracking: ['enable', 'text', 'html', 'substitution_tag'],
  ganalytics: ['enable', 'utm_source', 'utm_medium', 'utm_term', 'utm_content', 'utm_campaign'],
};

/** `mail_settings` and `tracking_settings` of an email, read strictly. */
export class MailSettings {
  /** The two keys, of those that are there. */
  readonly document: JsonMap;
  /** Those that are turned on. */
  readonly bypasses: readonly string[];

  constructor(reader: DocumentReader, mail: Json | undefined, tracking: Json | undefined) {
    const read = {
      ...(mail === undefined ? {} : { mail_settings: switches(reader, mail, 'mail_settings', MAIL_KEYS) }),
      ...(tracking === undefined
        ? {}
        : { tracking_settings: switches(reader, tracking, 'tracking_settings', TRACKING_KEYS) }),
    };
    this.document = read;
    this.bypasses = BYPASSES.filter((name) => isOn(read.mail_settings?.[name]));
  }
}

function switches(
  reader: DocumentReader,
  json: Json,
  path: string,
  known: Readonly<Record<string, readonly string[]>>,
): JsonMap {
  const settings = reader.closed(json, path, Object.keys(known));
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => {
      const at = below(path, name);
      const setting = reader.closed(value, at, known[name] ?? []);
      for (const [key, part] of Object.entries(setting)) {
        if (key.startsWith('enable')) {
          // A text or a number is on or off as the vendor's reader takes it, which is not to be guessed.
          if (typeof part !== 'boolean')
            throw reader.fault(below(at, key), 'was expected to be true or false');
        } else reader.text(part, below(at, key));
      }
      return [name, setting];
    }),
  );
}

function isOn(setting: Json | undefined): boolean {
  return typeof setting === 'object' && setting !== null && 'enable' in setting && setting.enable === true;
}

/** The same email, which the vendor checks and does not send. */
export function sandboxed(document: JsonMap): JsonMap {
  const { mail_settings: settings = {} } = document;
  return { ...document, mail_settings: { ...(settings as JsonMap), sandbox_mode: { enable: true } } };
}
