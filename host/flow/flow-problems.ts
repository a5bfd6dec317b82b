import type * as z from 'zod';
import type { ErrorCode, Problem } from '../errors.ts';
import { GtpackError } from '../errors.ts';
import type { Path, Place, YamlFile } from '../yaml.ts';
import { placeInScalar } from './scalar-place.ts';

/** What is said of one place of the file. */
export interface Finding {
  readonly message: string;
  readonly cure?: string;
}

/** Leaves room for the line that says how many there are. */
const MAX_FOUND = 99;

/** Collects every problem of one file, with its places. */
export class FlowProblems {
  readonly #yaml: YamlFile;
  readonly #lines: readonly string[];
  readonly #found: Problem[] = [];
  /** Those past the limit, of which nothing is kept but their number. */
  #left = 0;

  constructor(yaml: YamlFile, text: string) {
    this.#yaml = yaml;
    this.#lines = text.split('\n');
  }

  /** Of the value at `path`; the message begins with `where`, the path by default. */
  at(path: Path, finding: Finding, code: ErrorCode = 'flow_invalid'): void {
    if (this.#isFull()) return;
    this.#add(code, finding, this.#yaml.at(path), path);
  }

  /** Of the key at the end of `path`. */
  atKey(path: Path, finding: Finding): void {
    if (this.#isFull()) return;
    this.#add('flow_invalid', finding, this.#yaml.atKey(path), path.slice(0, -1));
  }

  /** Of a character inside the text at `path`. */
  inText(path: Path, text: string, finding: Finding & { readonly offset: number }, code: ErrorCode): void {
    if (this.#isFull()) return;
    this.#add(code, finding, this.placeIn(path, text, finding.offset), path);
  }

  placeIn(path: Path, text: string, offset: number): Place {
    return placeInScalar(this.#lines, this.#yaml.at(path), text, offset);
  }

  /** Parses one part of the file. @returns undefined where it has problems */
  parse<T>(schema: z.ZodType<T>, value: unknown, path: Path): T | undefined {
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    for (const issue of parsed.error.issues) this.#issue(issue, value, path);
    return undefined;
  }

  get count(): number {
    return this.#found.length + this.#left;
  }

  /** Looking a place up walks the file, and a stranger's file of a few kilobytes has thousands of problems. */
  #isFull(): boolean {
    if (this.#found.length < MAX_FOUND) return false;
    this.#left += 1;
    return true;
  }

  /** @throws GtpackError with every problem, in the order of the file */
  throwIfAny(): void {
    const order = (problem: Problem) => (problem.line ?? 0) * 1_000_000 + (problem.column ?? 0);
    const [first, ...rest] = this.#found.toSorted((a, b) => order(a) - order(b));
    if (first === undefined) return;
    if (this.#left > 0) {
      const { cure: _cure, ...place } = rest.at(-1) ?? first;
      rest.push({ ...place, message: `There are ${this.#left} problems more.` });
    }
    throw GtpackError.ofProblems([first, ...rest]);
  }

  #issue(issue: z.core.$ZodIssue, root: unknown, base: Path): void {
    const inner = issue.path.filter((part) => typeof part !== 'symbol');
    const path = [...base, ...inner];
    if (issue.code === 'unrecognized_keys') {
      // The schema's message has a sentence and a suggestion for each key, in the order of the keys.
      const texts = issue.message.split(/ (?=Unknown key ")/);
      for (const [at, key] of issue.keys.entries()) {
        this.atKey([...path, key], { message: texts[at] ?? `Unknown key ${JSON.stringify(key)}.` });
      }
      return;
    }
    if (issue.code === 'invalid_key') {
      const name = JSON.stringify(String(path.at(-1)));
      this.atKey(path, { message: `${name}: ${issue.issues[0]?.message ?? issue.message}` });
      return;
    }
    const came = valueAt(root, inner);
    if (came === undefined) {
      const key = path.at(-1);
      this.at(path.slice(0, -1), { message: `${JSON.stringify(key)} is missing.` });
      return;
    }
    this.at(path, describe(issue, came));
  }

  #add(code: ErrorCode, finding: Finding, place: Place, path: Path): void {
    const where = path.length === 0 ? '' : `${pathText(path)}: `;
    this.#found.push({
      code,
      file: this.#yaml.file,
      ...place,
      ...finding,
      message: `${where}${finding.message}`,
    });
  }
}

const EXPECTED: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  array: 'a list',
  object: 'a map',
  record: 'a map',
};

function describe(issue: z.core.$ZodIssue, came: unknown): Finding {
  if (issue.code !== 'invalid_type') return { message: issue.message };
  const finding = {
    message: `${EXPECTED[issue.expected] ?? issue.expected} was expected; ${kindOf(came)} came.`,
  };
  const unquoted = issue.expected === 'string' && (typeof came === 'number' || typeof came === 'boolean');
  return unquoted ? { ...finding, cure: 'Write it in quotes.' } : finding;
}

export function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  if (typeof value === 'string') return `the text ${JSON.stringify(value.slice(0, 80))}`;
  return typeof value === 'number' ? `the number ${value}` : String(value);
}

function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Readonly<Record<string | number, unknown>>)[part];
  }
  return value;
}

/** `nodes[0].config.script` */
function pathText(path: Path): string {
  return path
    .map((part, at) => (typeof part === 'number' ? `[${part}]` : at === 0 ? part : `.${part}`))
    .join('');
}
