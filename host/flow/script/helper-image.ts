import type { LogLevel } from '../../contract.ts';
import { type ErrorCode, GtpackError } from '../../errors.ts';
import type { Machine } from './machine.ts';
import { EVAL_MODULE, GuestThrow, PROMISE_FULFILLED, PROMISE_REJECTED } from './quickjs.ts';
import { countLines, SourceMap, scriptError, type ThrownValue } from './script-error.ts';
import type { Snapshot } from './snapshot.ts';

/** Helper modules by file name (`scripts/orders.js`). */
export type HelperSources = Readonly<Record<string, string>>;

/** A context in which a set of helper modules was evaluated and their exports were made globals. */
export interface HelperImage {
  readonly snapshot: Snapshot;
  /** What the helpers wrote while they were loaded; every run begins with it. */
  readonly lines: readonly { readonly level: LogLevel; readonly line: string }[];
}

const ENTRY_FILE = 'gtpack:helpers';
const MAX_LOADING_JOBS = 10_000;

/**
 * Evaluates the helpers once. They see no clock and no random numbers while they do: runs share what they made.
 *
 * @throws GtpackError `script_helper_invalid`, `script_syntax`, `script_threw`, and those of `Machine.visit`.
 */
export function loadHelpers(
  machine: Machine,
  helpers: HelperSources,
  shouldStop: () => boolean,
): HelperImage {
  const files = Object.keys(helpers).sort((a, b) => (a < b ? -1 : 1));
  const [first] = files;
  if (first === undefined) return { snapshot: machine.base, lines: [] };
  for (const file of files) refuseNul(file, helpers[file] ?? '');

  const { quickjs } = machine;
  const lines: { level: LogLevel; line: string }[] = [];
  let refused: GtpackError | undefined;
  let clockWasRead = false;
  let phase: ErrorCode | undefined;
  const sources = new SourceMap(
    { file: first, firstLine: 1, lineCount: countLines(helpers[first] ?? ''), indent: 0 },
    helpers,
  );
  return machine.visit({
    start: machine.base,
    place: { file: first, line: 1 },
    reach: {
      now: () => {
        clockWasRead = true;
        return 0;
      },
      shouldStop,
      onConsole: (level, line) => lines.push({ level, line }),
      resolveModule: (base, request) => {
        if (base === ENTRY_FILE) return request;
        const name = resolveRelative(base, request);
        if (name !== undefined && Object.hasOwn(helpers, name)) return name;
        refused ??= refusedImport(base, request, helpers[base] ?? '', files);
        return undefined;
      },
      moduleSource: (name) => (Object.hasOwn(helpers, name) ? helpers[name] : undefined),
    },
    explain: (thrown) => refused ?? scriptError(thrown, phase ?? codeOf(thrown), sources),
    work: () => {
      // One entry module, so that a helper that others import is evaluated once.
      const imports = files.map((file, index) => `import * as m${index} from ${JSON.stringify(file)};`);
      const exports = files.map((_, index) => `m${index}`);
      const entry = `${imports.join('\n')}\nexport { ${exports.join(', ')} };`;
      let namespaces = quickjs.evaluate(entry, ENTRY_FILE, EVAL_MODULE);
      if (!quickjs.runJobs(MAX_LOADING_JOBS)) throw neverLoaded(first);
      if (quickjs.promiseState(namespaces) >= 0) {
        const state = quickjs.promiseState(namespaces);
        if (state === PROMISE_REJECTED) throw new GuestThrow(quickjs.promiseResult(namespaces));
        if (state !== PROMISE_FULFILLED) throw neverLoaded(first);
        namespaces = quickjs.promiseResult(namespaces);
      }
      phase = 'script_helper_invalid';
      for (const [index, file] of files.entries()) {
        machine.call('expose', [quickjs.string(file), quickjs.property(namespaces, `m${index}`)]);
      }
      if (clockWasRead) throw clockRead(first);
      return { snapshot: machine.takeSnapshot(), lines };
    },
  });
}

/** `./name.js` and `../name.js` from where `base` lies; undefined for any other form. */
function resolveRelative(base: string, request: string): string | undefined {
  if (!request.startsWith('./') && !request.startsWith('../')) return undefined;
  const path = base.split('/').slice(0, -1);
  for (const part of request.split('/')) {
    if (part === '.') continue;
    if (part !== '..') path.push(part);
    else if (path.pop() === undefined) return undefined;
  }
  return path.join('/');
}

function refusedImport(file: string, request: string, text: string, files: readonly string[]): GtpackError {
  const lines = text.split('\n');
  const index = lines.findIndex((line) => line.includes(`'${request}'`) || line.includes(`"${request}"`));
  const place = index < 0 ? {} : { line: index + 1, column: (lines[index] ?? '').indexOf(request) };
  return new GtpackError(
    'script_helper_invalid',
    `A helper module imports '${request}', which is no helper.`,
    {
      cure: `Import a neighbour by a relative name, such as ./other.js; the helpers here are ${files.join(', ')}.`,
      file,
      ...place,
    },
  );
}

function codeOf(thrown: ThrownValue): ErrorCode {
  return thrown.name === 'SyntaxError' ? 'script_syntax' : 'script_threw';
}

function neverLoaded(file: string): GtpackError {
  return new GtpackError('script_helper_invalid', 'The helper modules await something that never happens.', {
    cure: 'Nothing outside can settle a promise here: do not await at the top of a helper module.',
    file,
  });
}

function clockRead(file: string): GtpackError {
  return new GtpackError('script_helper_invalid', 'A helper module reads the time while it is loaded.', {
    cure: 'It is loaded once for many runs: read the time inside a function.',
    file,
  });
}

/** The engine's strings end at a NUL: what follows one would be left out silently. */
export function refuseNul(file: string, text: string, firstLine = 1): void {
  const at = text.indexOf('\0');
  if (at < 0) return;
  throw new GtpackError('script_syntax', 'The script holds a NUL character.', {
    cure: 'Write it as \\0 within a string.',
    file,
    line: firstLine + countLines(text.slice(0, at)) - 1,
  });
}
