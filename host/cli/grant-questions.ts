import type { PluginImport } from '../contract.ts';
import { checkedGrant, grantOf, splitWords, type WrittenGrant } from '../deploy/install/written-grant.ts';
import type { Json } from '../event/json.ts';
import { isYes, type Questions } from './question.ts';

type GrantValue = WrittenGrant['value'];

/** One question: what an answer fills in, and what no answer means. */
interface Field {
  readonly key: string;
  readonly question: string;
  /** A list of words, or one text. */
  readonly kind: 'words' | 'text';
  /** In place of no answer; undefined where the key is left out then. */
  readonly otherwise?: string;
}

const WORDS_QUESTIONS: Partial<Record<PluginImport, string>> = {
  http: 'Grant http: which hosts? Nothing denies it:',
  bus: 'Grant bus: which event types may it publish? Nothing denies it:',
  timers: 'Grant timers: which event types may its timers emit? Nothing denies it:',
  secrets: 'Grant secrets: which names may its own code read? Nothing denies it:',
};

/** The first one decides whether anything is granted. */
const FIELDS: Partial<Record<PluginImport, readonly [Field, ...Field[]]>> = {
  sendgrid: [
    {
      key: 'from',
      kind: 'words',
      question: 'Grant sendgrid: from which senders? Addresses, *@DOMAIN. Nothing denies it:',
    },
    { key: 'to', kind: 'words', question: '  to which recipients? Addresses, *@DOMAIN, or * for anybody:' },
    {
      key: 'key',
      kind: 'text',
      question: '  which secret is the API key? [SENDGRID_KEY]',
      otherwise: 'SENDGRID_KEY',
    },
    { key: 'rate', kind: 'text', question: '  how many recipients? [100/min]' },
    {
      key: 'base_url',
      kind: 'text',
      question: '  at which URL? https://api.eu.sendgrid.com for the EU [https://api.sendgrid.com]',
    },
  ],
  twilio: [
    {
      key: 'from',
      kind: 'words',
      question: 'Grant twilio: from which senders? Numbers, names, MG…. Nothing denies it:',
    },
    { key: 'to', kind: 'words', question: '  to which countries? +41, +44, or * for all:' },
    { key: 'account', kind: 'text', question: '  by which account? AC…:', otherwise: '' },
    {
      key: 'auth_token',
      kind: 'text',
      question: '  which secret is its token? [TWILIO_TOKEN]',
      otherwise: 'TWILIO_TOKEN',
    },
    { key: 'rate', kind: 'text', question: '  how many messages? [60/min]' },
    { key: 'status_callback', kind: 'text', question: '  called back at which URL? [none]' },
    { key: 'base_url', kind: 'text', question: '  at which URL? [https://api.twilio.com]' },
  ],
};

/**
 * Asks what a capability may reach. @returns undefined where the answer denies it
 * @throws GtpackError `option_invalid` for answers that are no grant
 */
export async function askGrant(
  questions: Questions,
  capability: PluginImport,
): Promise<GrantValue | undefined> {
  const fields = FIELDS[capability];
  if (fields !== undefined) return askFields(questions, capability, fields);
  if (capability === 'state') {
    const isWanted = isYes(await questions.ask('Grant state: a small store of its own? [y/N]'));
    return isWanted ? grantOf(capability, []) : undefined;
  }
  const words = splitWords(await questions.ask(WORDS_QUESTIONS[capability] ?? `Grant ${capability}?`));
  return words.length === 0 ? undefined : grantOf(capability, words);
}

async function askFields(
  questions: Questions,
  capability: PluginImport,
  fields: readonly [Field, ...Field[]],
): Promise<GrantValue | undefined> {
  const grant: Record<string, Json> = {};
  for (const { key, kind, question, otherwise } of fields) {
    const answer = (await questions.ask(question)) || otherwise;
    if (key === fields[0].key && !answer) return undefined;
    if (kind === 'words') grant[key] = splitWords(answer ?? '');
    else if (answer !== undefined && answer !== '') grant[key] = answer;
  }
  return checkedGrant(capability, grant);
}
