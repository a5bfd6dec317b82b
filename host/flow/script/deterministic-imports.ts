export interface ImportHooks {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** The memory is at its maximum, and an allocation has failed. */
  onMemoryFull(): void;
}

/**
 * The module's imports with its clock and its time zone replaced (guest code sees the time that it is given, in UTC),
 * and a witness to its memory being full.
 *
 * The build's import names are minified, so the functions are found by what only they do; an engine whose functions
 * are not found is refused rather than run with the host's clock or zone.
 */
export function deterministicImports(
  imports: WebAssembly.Imports,
  memory: WebAssembly.Memory,
  hooks: ImportHooks,
): WebAssembly.Imports {
  const entries = Object.entries(imports);
  const [entry] = entries;
  if (entry === undefined || entries.length !== 1) throw changed('one import namespace');
  const [namespace, functions] = entry;

  const localTime = (seconds: bigint, tm: number) => {
    const date = new Date(Number(seconds) * 1000);
    const yearStart = new Date(date);
    yearStart.setUTCMonth(0, 1);
    yearStart.setUTCHours(0, 0, 0, 0);
    new Int32Array(memory.buffer).set(
      [
        date.getUTCSeconds(),
        date.getUTCMinutes(),
        date.getUTCHours(),
        date.getUTCDate(),
        date.getUTCMonth(),
        date.getUTCFullYear() - 1900,
        date.getUTCDay(),
        Math.floor((date.getTime() - yearStart.getTime()) / 86_400_000),
        0,
        0,
      ],
      tm >> 2,
    );
  };
  const setTimeZone = (zone: number, daylight: number, standardName: number, daylightName: number) => {
    const words = new Int32Array(memory.buffer);
    words[zone >> 2] = 0;
    words[daylight >> 2] = 0;
    const bytes = new Uint8Array(memory.buffer);
    for (const name of [standardName, daylightName]) bytes.set([0x55, 0x54, 0x43, 0], name);
  };

  const growName = nameOf(functions, 'memory growth', (source) => source.includes('.grow('));
  const grow: unknown = functions[growName];
  if (typeof grow !== 'function') throw changed('memory growth');
  const witnessedGrow = (bytes: number): boolean => {
    const grown: unknown = grow(bytes);
    if (grown !== true) hooks.onMemoryFull();
    return grown === true;
  };

  return {
    [namespace]: {
      ...functions,
      [nameOf(functions, 'the clock', (source) => source.includes('Date.now()'))]: () => hooks.now(),
      [growName]: witnessedGrow,
      [nameOf(functions, 'local time', (source) => source.includes('getSeconds()'))]: localTime,
      [nameOf(
        functions,
        'the time zone',
        (source) => source.includes('getTimezoneOffset()') && !source.includes('getSeconds()'),
      )]: setTimeZone,
    },
  };
}

function nameOf(
  functions: Readonly<Record<string, unknown>>,
  what: string,
  isIt: (source: string) => boolean,
): string {
  const found = Object.entries(functions).filter(
    ([, value]) => typeof value === 'function' && isIt(Function.prototype.toString.call(value)),
  );
  const [only] = found;
  if (only === undefined || found.length !== 1) throw changed(what);
  return only[0];
}

function changed(what: string): Error {
  return new Error(`the script engine's build has changed: ${what} was not found among its imports`);
}
