import {
  type Alias,
  Composer,
  type CST,
  type Document,
  isMap,
  isNode,
  isPair,
  isScalar,
  LineCounter,
  Parser,
  visit,
} from 'yaml';
import * as z from 'zod';
import { type ErrorCode, GtpackError, type Problem } from './errors.ts';

/** In UTF-16 code units. */
const DEFAULT_MAX_CHARACTERS = 256 * 1024;
const MAX_ALIASES = 100;
/** Whoever walks a parsed value recurses. */
const MAX_DEPTH = 200;
/** Looking a place up walks the file, and nobody reads on after the first few. */
const MAX_PLACES = 100;

export type Path = readonly (string | number)[];

export interface Place {
  /** 1-based. */
  readonly line: number;
  /** 1-based. */
  readonly column: number;
}

/** YAML that was parsed, with the place of each of its values. */
export interface YamlFile {
  readonly file: string;
  readonly value: unknown;
  /** Where the value at `path` stands, or its nearest enclosing value. */
  at(path: Path): Place;
  /** Where the key at the end of `path` stands. */
  atKey(path: Path): Place;
}

/**
 * Parses YAML 1.2 (core schema) with at most 100 alias expansions. Tags that the schema does not know are refused.
 * @param maxCharacters default 262,144
 * @throws GtpackError `yaml_invalid`, with every syntax error
 */
export function readYaml(text: string, file: string, maxCharacters = DEFAULT_MAX_CHARACTERS): YamlFile {
  if (text.length > maxCharacters) {
    throw new GtpackError(
      'yaml_invalid',
      `The file is ${text.length} characters long; at most ${maxCharacters} are read.`,
      {
        file,
      },
    );
  }
  const lines = new LineCounter();
  const { document, extra } = compose(text, file, lines);
  const place = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const faults = [
    ...[...document.errors, ...document.warnings].map((error) => ({
      at: error.pos[0],
      message: `${error.message}.`,
    })),
    ...duplicateKeys(document).map((at) => ({ at, message: 'Map keys must be unique.' })),
    ...(extra === undefined ? [] : [{ at: extra, message: MULTIPLE_DOCUMENTS }]),
  ].sort((a, b) => a.at - b.at);
  const [first, ...rest] = faults.map(
    ({ at, message }): Problem => ({ code: 'yaml_invalid', message, file, ...place(at) }),
  );
  if (first !== undefined) throw GtpackError.ofProblems([first, ...rest]);

  const offsetOf = (path: Path): number => {
    for (let length = path.length; length > 0; length -= 1) {
      const node = document.getIn(path.slice(0, length), true);
      if (isNode(node) && node.range) return node.range[0];
    }
    return document.contents?.range?.[0] ?? 0;
  };
  const keyOffset = (path: Path): number => {
    const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
    const pair = isMap(parent)
      ? parent.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === path.at(-1))
      : undefined;
    return isScalar(pair?.key) && pair.key.range ? pair.key.range[0] : offsetOf(path);
  };
  const aliases = aliasesOf(document);
  // Looking one alias up walks the document, so their number is bounded before any is looked up.
  if (aliases.length > MAX_ALIASES) throw tooManyAliases(file, place(aliases[0]?.range?.[0] ?? 0));
  const dangling = aliases.find((alias) => alias.resolve(document) === undefined);
  if (dangling !== undefined) {
    throw new GtpackError(
      'yaml_invalid',
      `No anchor is called ${JSON.stringify(dangling.source)} before this alias.`,
      {
        file,
        ...place(dangling.range?.[0] ?? 0),
      },
    );
  }
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch {
    throw tooManyAliases(file, place(aliases[0]?.range?.[0] ?? 0));
  }
  return { file, value, at: (path) => place(offsetOf(path)), atKey: (path) => place(keyOffset(path)) };
}

function tooManyAliases(file: string, place: Place): GtpackError {
  return new GtpackError('yaml_invalid', `The file expands its aliases more than ${MAX_ALIASES} times.`, {
    file,
    ...place,
  });
}

const MULTIPLE_DOCUMENTS = 'The file holds more than one YAML document; one is read.';

interface Composed {
  readonly document: Document.Parsed;
  /** Where a second document begins. */
  readonly extra: number | undefined;
}

/** As `parseDocument` of the library, which recurses as deep as a text nests, and compares each key of a map with each other. */
function compose(text: string, file: string, lines: LineCounter): Composed {
  const composer = new Composer({
    prettyErrors: false,
    uniqueKeys: false,
    stringKeys: true,
    logLevel: 'error',
  });
  const tokens = shallowTokens(new Parser(lines.addNewLine).parse(text), file, lines);
  let document: Document.Parsed | undefined;
  for (const next of composer.compose(tokens, true, text.length)) {
    if (document !== undefined) return { document, extra: next.range[0] };
    document = next;
  }
  if (document === undefined) throw new TypeError('a text was composed to no document');
  return { document, extra: undefined };
}

/** Passes on what the parser, which does not recurse, makes of a text; nothing that nests too deep. */
function* shallowTokens(tokens: Iterable<CST.Token>, file: string, lines: LineCounter): Generator<CST.Token> {
  for (const token of tokens) {
    const open: [token: CST.Token, depth: number][] = [[token, 0]];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const [{ offset }, depth] = next;
      if (depth > MAX_DEPTH) {
        const { line, col } = lines.linePos(offset);
        throw new GtpackError('yaml_invalid', `The file nests its values deeper than ${MAX_DEPTH} levels.`, {
          file,
          line,
          column: col,
        });
      }
      for (const inner of innerTokens(next[0])) open.push([inner, depth + 1]);
    }
    yield token;
  }
}

function innerTokens(token: CST.Token): CST.Token[] {
  if (token.type === 'document') return token.value === undefined ? [] : [token.value];
  if (!('items' in token)) return [];
  return token.items.flatMap(({ key, value }) => [key, value].filter((part) => part != null));
}

/** Where the keys stand that their map has already. */
function duplicateKeys(document: Document): number[] {
  const found: number[] = [];
  visit(document, {
    Map: (_, { items }) => {
      const keys = new Set<unknown>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        if (keys.has(key.value)) found.push(key.range?.[0] ?? 0);
        keys.add(key.value);
      }
    },
  });
  return found;
}

function aliasesOf(document: Document): Alias[] {
  const aliases: Alias[] = [];
  visit(document, {
    Alias: (_, alias) => {
      aliases.push(alias);
    },
  });
  return aliases;
}

/** An object that refuses keys it does not know and names the nearest one that it does. */
export function closedObject<T extends z.core.$ZodLooseShape>(shape: T): z.ZodObject<T, z.core.$strict> {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? unknownKeys(issue.keys, known) : undefined),
  });
}

function unknownKeys(keys: readonly string[], known: readonly string[]): string {
  return keys
    .slice(0, MAX_PLACES)
    .map((key) => `Unknown key ${shown(key)}. ${suggestion(key, known)}`)
    .join(' ');
}

const MAX_SHOWN_CHARACTERS = 80;

/** Whoever wrote the key may be a guest, and the key as long as the text that it may write. */
function shown(key: string): string {
  return JSON.stringify(key.length > MAX_SHOWN_CHARACTERS ? `${key.slice(0, MAX_SHOWN_CHARACTERS)}…` : key);
}

/** `Did you mean "x"?`, or the list of what is known where nothing is near. */
export function suggestion(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  return near === undefined ? `Known here: ${known.join(', ')}.` : `Did you mean ${JSON.stringify(near)}?`;
}

/** The candidate with the smallest edit distance, if at most two letters or a third of the word have to change. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    // At least as many letters have to change. A word of megabytes takes seconds to compare.
    if (Math.abs(word.length - candidate.length) >= bestDistance) continue;
    const distance = editDistance(word, candidate);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Levenshtein distance; Wagner and Fischer's table, two rows of it. */
function editDistance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const substitution = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row[j] = Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, substitution);
    }
    above = row;
  }
  return above[b.length] ?? 0;
}

/**
 * Checks the parsed value against a schema.
 * @throws GtpackError with `code` and every problem, each with its line and column
 */
export function parseYamlShape<T>(yaml: YamlFile, schema: z.ZodType<T>, code: ErrorCode): T {
  const parsed = schema.safeParse(yaml.value);
  if (parsed.success) return parsed.data;
  const [first, ...rest] = parsed.error.issues.map((issue, index): Problem => {
    if (index >= MAX_PLACES) return { code, message: issue.message, file: yaml.file };
    const path = issue.path.filter((part) => typeof part !== 'symbol');
    const place =
      issue.code === 'unrecognized_keys' ? yaml.atKey([...path, issue.keys[0] ?? '']) : yaml.at(path);
    const where = path.length === 0 ? '' : `${path.join('.')}: `;
    return { code, message: `${where}${issue.message}`, file: yaml.file, ...place };
  });
  throw first === undefined
    ? new GtpackError(code, 'The file has another shape.', { file: yaml.file })
    : GtpackError.ofProblems([first, ...rest]);
}
