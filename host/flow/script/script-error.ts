import { type ErrorCode, GtpackError } from '../../errors.ts';

/** QuickJS's name for code that came through `eval`, as every script does. */
export const EVALUATED = '<input>';

/** The text of one file that a place may lie in. */
export interface ScriptSource {
  readonly file: string;
  /** Line of `file` where the text begins, 1-based. */
  readonly firstLine: number;
  readonly lineCount: number;
  /** Columns by which the file indents the text. */
  readonly indent: number;
}

/** Where in a file, as errors say it; lines and columns are 1-based. */
export interface Place {
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
}

/** Only the place of an error. */
export function placeOf(error: GtpackError): Place {
  const { file, line, column } = error.problems[0];
  return {
    ...(file === undefined ? {} : { file }),
    ...(line === undefined ? {} : { line }),
    ...(column === undefined ? {} : { column }),
  };
}

/** What the guest says about a thrown value. All of it may be forged, so it decides nothing but a message. */
export interface ThrownValue {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
}

export function parseThrownValue(json: string): ThrownValue {
  const value: unknown = JSON.parse(json);
  const text = (name: string): string => {
    const found: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
    return typeof found === 'string' ? found : '';
  };
  return { name: text('name'), message: text('message'), stack: text('stack') };
}

/** The script and its helpers, by the names that QuickJS gives them in a stack. */
export class SourceMap {
  readonly #script: ScriptSource;
  readonly #helpers: ReadonlyMap<string, ScriptSource>;

  constructor(script: ScriptSource, helpers: Readonly<Record<string, string>>) {
    this.#script = script;
    this.#helpers = new Map(
      Object.entries(helpers).map(([file, text]) => [
        file,
        { file, firstLine: 1, lineCount: countLines(text), indent: 0 },
      ]),
    );
  }

  /**
   * The innermost frame that lies in the script or in a helper. The script is evaluated with as many empty lines
   * before it as the file has, so its lines are the file's; other evaluated text begins at line 1 and falls outside.
   */
  placeOf(stack: string): Place {
    for (const frame of stack.split('\n').map(parseFrame)) {
      if (frame === undefined) continue;
      const source = frame.file === EVALUATED ? this.#script : this.#helpers.get(frame.file);
      if (source === undefined || frame.line < source.firstLine) continue;
      if (frame.line >= source.firstLine + source.lineCount) continue;
      return { file: source.file, line: frame.line, column: frame.column + source.indent };
    }
    return { file: this.#script.file, line: this.#script.firstLine };
  }
}

/** `    at name (file:line:column)` or `    at file:line:column`; read from its end, as a name may hold anything. */
function parseFrame(frame: string): { file: string; line: number; column: number } | undefined {
  const place = frame.endsWith(')')
    ? frame.slice(frame.lastIndexOf(' (') + 2, -1)
    : frame.slice('    at '.length);
  const columnAt = place.lastIndexOf(':');
  const lineAt = place.lastIndexOf(':', columnAt - 1);
  if (lineAt < 1) return undefined;
  const line = Number(place.slice(lineAt + 1, columnAt));
  const column = Number(place.slice(columnAt + 1));
  if (!Number.isSafeInteger(line) || !Number.isSafeInteger(column)) return undefined;
  return { file: place.slice(0, lineAt), line, column };
}

export function countLines(text: string): number {
  return text.split('\n').length;
}

/** The engine's own failures, by what QuickJS calls them; a script that throws the same only mislabels itself. */
export function scriptError(thrown: ThrownValue, otherwise: ErrorCode, sources: SourceMap): GtpackError {
  const place = sources.placeOf(thrown.stack);
  if (thrown.name === 'InternalError' && thrown.message === 'out of memory') return outOfMemory(place);
  if (thrown.name === 'InternalError' && thrown.message === 'stack overflow') return stackOverflow(place);
  const message = CLEARER.get(thrown.message) ?? thrown.message;
  const text = thrown.name === '' ? message : `${thrown.name}: ${message}`;
  return new GtpackError(otherwise, `${PREFIX[otherwise] ?? ''}${text}.`, { ...place, ...CURE[otherwise] });
}

/** QuickJS's own messages that would not tell an author what to do. */
const CLEARER: ReadonlyMap<string, string> = new Map([
  [
    'no function filename for import()',
    'a script imports nothing: what scripts/*.js export is there by its name',
  ],
  ["unexpected token in expression: ''", 'unexpected end of the script'],
  ['Do not know how to serialize a BigInt', 'a BigInt is not JSON: use Number(…) or String(…)'],
  ['circular reference', 'it holds itself, which JSON cannot say'],
]);

const PREFIX: Partial<Record<ErrorCode, string>> = {
  script_syntax: 'The script is not JavaScript: ',
  script_threw: 'The script threw ',
  script_result_invalid: 'The script’s value cannot be its output: ',
  script_helper_invalid: 'The helper module could not be loaded: ',
};

const CURE: Partial<Record<ErrorCode, { readonly cure: string }>> = {
  script_helper_invalid: {
    cure: 'A helper is an ES module that may import only its neighbours, by a relative name such as ./other.js.',
  },
};

export function outOfMemory(place: Place): GtpackError {
  return new GtpackError('script_out_of_memory', 'The script used up its memory.', {
    cure: 'Build smaller values: work on one part at a time, and keep what you need of it.',
    ...place,
  });
}

export function stackOverflow(place: Place): GtpackError {
  return new GtpackError('script_stack_overflow', 'The script’s calls or its data nest too deep.', {
    cure: 'Check where a function calls itself, or use a loop.',
    ...place,
  });
}

export function timedOut(place: Place): GtpackError {
  return new GtpackError('script_timeout', 'The script did not come to an end in its time.', {
    cure: 'Look for a loop that does not end, or do less in one node.',
    ...place,
  });
}
