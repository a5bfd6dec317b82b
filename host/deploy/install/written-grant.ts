import { PLUGIN_IMPORTS, type PluginImport } from '../../contract.ts';
import { GtpackError } from '../../errors.ts';
import type { Json } from '../../event/json.ts';
import { type Grants, grantExample, grantsShape, parseGrants } from '../../grant/grants.ts';
import { parseYamlShape, readYaml } from '../../yaml.ts';

/** A grant as it is written to the bundle. */
export interface WrittenGrant {
  readonly capability: PluginImport;
  readonly value: Json;
}

/** The list that a short form fills: `http=HOST` is `http: { hosts: [HOST] }`. */
const SHORT_FORMS: Readonly<Record<string, (words: string[]) => Json>> = {
  http: (hosts) => ({ hosts }),
  bus: (publish) => ({ publish }),
  timers: (events) => ({ events }),
  secrets: (names) => names,
  state: () => ({}),
};
/** Those whose short form needs no words. */
const BARE: ReadonlySet<string> = new Set(['state']);

const OPTION = /^([a-z]+)(?:=([\s\S]*))?$/;

/**
 * Grants as they are given on the command line: `CAPABILITY=WORDS`, with words separated by commas or spaces, or
 * `CAPABILITY=YAML` where the value begins with `{` or `[`. A capability that is given twice has the words of both.
 * @throws GtpackError `option_invalid`
 */
export function parseGrantOptions(options: readonly string[]): WrittenGrant[] {
  const words = new Map<PluginImport, string[]>();
  const grants = new Map<PluginImport, Json>();
  for (const option of options) {
    const [, name = '', text = ''] = OPTION.exec(option) ?? [];
    const capability = PLUGIN_IMPORTS.find((each) => each === name);
    if (capability === undefined || grantExample(capability) === undefined) throw unknown(option);
    if (/^\s*[{[]/.test(text)) {
      if (grants.has(capability)) throw twice(capability);
      grants.set(capability, checkedGrant(capability, readYaml(text, `--grant ${capability}`).value as Json));
    } else {
      words.set(capability, [...(words.get(capability) ?? []), ...splitWords(text)]);
    }
  }
  for (const [capability, given] of words) {
    if (grants.has(capability)) throw twice(capability);
    grants.set(capability, grantOf(capability, given));
  }
  return [...grants].map(([capability, value]) => ({ capability, value }));
}

/** The grant that words mean: hosts, event types, names. @throws GtpackError `option_invalid` */
export function grantOf(capability: PluginImport, words: readonly string[]): Json {
  const form = SHORT_FORMS[capability];
  if (form === undefined || (words.length === 0 && !BARE.has(capability))) throw unknown(capability);
  return checkedGrant(capability, form([...words]));
}

export function splitWords(text: string): string[] {
  return text.split(/[\s,]+/).filter((word) => word !== '');
}

/** A grant as the bundle writes it, once it is one. @throws GtpackError `option_invalid` */
export function checkedGrant(capability: PluginImport, value: Json): Json {
  try {
    // YAML is a superset of JSON.
    const yaml = readYaml(JSON.stringify({ [capability]: value }), '--grant');
    parseYamlShape(yaml, grantsShape, 'option_invalid');
    return value;
  } catch (error) {
    if (!(error instanceof GtpackError)) throw error;
    throw new GtpackError(
      'option_invalid',
      `--grant: ${error.problems.map(({ message }) => message).join(' ')}`,
      {
        cure: `For example: ${grantExample(capability) ?? ''}`,
      },
    );
  }
}

function unknown(option: string): GtpackError {
  return new GtpackError(
    'option_invalid',
    `--grant: a capability with what it may reach was expected; ${JSON.stringify(option)} came.`,
    {
      cure: 'Write http=HOST, bus=TYPE, timers=TYPE, state, secrets=NAME, or CAPABILITY={ … } with the YAML of the bundle, as for sendgrid and twilio.',
    },
  );
}

function twice(capability: string): GtpackError {
  return new GtpackError('option_invalid', `--grant: ${capability} was given as YAML and a second time.`, {
    cure: 'Give it once.',
  });
}

/** What written grants mean; they were checked before. */
export function grantsMeant(written: readonly WrittenGrant[]): Grants {
  return parseGrants(
    grantsShape.parse(Object.fromEntries(written.map(({ capability, value }) => [capability, value]))),
  );
}
