import { GtpackError } from '../errors.ts';

/**
 * The script engine of TypeScript providers, as componentize-qjs has it built in, with a start that is the same each time.
 *
 * The compiler starts the engine, and what is then in its memory becomes the component. Two things differ from start to
 * start: the seed of the engine's hash tables, and the two clocks, which seed its random numbers. They are imports; here they
 * become functions of the module itself that give constants. The compiler takes such a module as its option
 * `runtimeBytes`, and has no option for the rest.
 */

/** What a linkable module starts with: magic, version, and the custom section `dylink.0`. */
const MAGIC = Buffer.from('\0asm\x01\0\0\0', 'latin1');
const LINKABLE = 'dylink.0';
const CUSTOM = 0;
const IMPORTS = 2;
const FUNCTIONS = 3;
const EXPORTS = 7;
const CODE = 10;
const LAST_SECTION = 13;

const SEED = /^wasi:random\/insecure-seed@[\d.]+ insecure-seed$/;
const WALL_CLOCK = /^wasi:clocks\/wall-clock@[\d.]+ now$/;
const CLOCK = /^wasi:clocks\/monotonic-clock@[\d.]+ now$/;
/**
 * What the constants call before they answer: harmless while the engine starts, and a trap in a finished component, whose
 * WASI is taken away. So a script that asks for the time is told that there is none, rather than that it is 1970.
 */
const ENVIRONMENT = /^wasi:cli\/environment@[\d.]+ get-environment$/;
const STDIN = /^wasi:cli\/stdin@[\d.]+ get-stdin$/;
const DROP_STDIN = /^wasi:io\/streams@[\d.]+ \[resource-drop\]input-stream$/;
const ENGINE = 'local:init/module-loader load';
/** Where the engine can wait for asynchronous imports of the component model: not the one that is asked for. */
const ASYNC = /^\$root \[waitable/;

/**
 * Finds the engine in the compiler's native module, where it lies as it is.
 * @throws GtpackError `pack_compiler_missing` where the compiler is of another build
 */
export function steadyRuntime(native: Uint8Array): Uint8Array {
  const bytes = Buffer.from(native.buffer, native.byteOffset, native.length);
  const engines: Uint8Array[] = [];
  for (let at = bytes.indexOf(MAGIC); at >= 0; at = bytes.indexOf(MAGIC, at + 1)) {
    const sections = sectionsOf(bytes, at + MAGIC.length);
    const imports = sections.find(({ id }) => id === IMPORTS);
    const last = sections.at(-1);
    if (sections[0]?.name !== LINKABLE || imports === undefined || last === undefined) continue;
    const names = importsOf(bytes, imports).map(({ name }) => name);
    if (!names.includes(ENGINE) || names.some((name) => ASYNC.test(name))) continue;
    const steady = withConstants(bytes, sections);
    if (steady !== undefined) engines.push(steady);
  }
  // Of two, one is built for speed and one for size.
  const [fast] = engines.sort((a, b) => b.length - a.length);
  if (fast !== undefined) return fast;
  throw new GtpackError(
    'pack_compiler_missing',
    'The component compiler has no script engine of the build that is known here.',
    { cure: 'Run: npm install --save-dev @bytecodealliance/jco@1.35.0' },
  );
}

interface Section {
  readonly id: number;
  /** Of a custom section. */
  readonly name: string;
  /** Of its content. */
  readonly start: number;
  readonly end: number;
}

/** Up to the first bytes that are no section: nothing says where an embedded module ends. */
function sectionsOf(bytes: Buffer, from: number): Section[] {
  const sections: Section[] = [];
  const reader = new Reader(bytes, from);
  while (reader.at < bytes.length) {
    const id = reader.byte();
    const length = reader.number();
    const start = reader.at;
    if (id > LAST_SECTION || length === 0 || start + length > bytes.length) break;
    const name = id === CUSTOM ? reader.text() : '';
    if (/[^\x20-\x7e]/.test(name)) break;
    sections.push({ id, name, start, end: start + length });
    reader.at = start + length;
  }
  return sections;
}

interface Import {
  /** Module and field. */
  readonly name: string;
  /** Of a function: its index and its type. */
  readonly fn: { readonly index: number; readonly type: number } | undefined;
  /** After the names. */
  readonly start: number;
  readonly end: number;
}

function importsOf(bytes: Buffer, section: Section): Import[] {
  const reader = new Reader(bytes, section.start);
  let functions = 0;
  return Array.from({ length: reader.number() }, (): Import => {
    const name = `${reader.text()} ${reader.text()}`;
    const start = reader.at;
    const kind = reader.byte();
    let fn: Import['fn'];
    if (kind === 0) {
      fn = { index: functions, type: reader.number() };
      functions += 1;
    } else if (kind === 4) {
      reader.at += 1;
      reader.number();
    } else if (kind === 3) {
      reader.at += 2;
    } else {
      if (kind === 1) reader.at += 1;
      const hasMaximum = (reader.number() & 1) === 1;
      reader.number();
      if (hasMaximum) reader.number();
    }
    return { name, fn, start, end: reader.at };
  });
}

interface Constant {
  /** The import in whose place it stands. */
  readonly of: Import | undefined;
  readonly name: string;
  readonly body: Buffer;
}

const [END, CALL, LOCAL_GET, STORE_64, CONST_64] = [0x0b, 0x10, 0x20, 0x37, 0x42];

/** Of a function that is given a place for 16 bytes: calls another one like it, and writes zeros over what that said. */
function zeros(like: number): Buffer {
  return Buffer.concat([
    Buffer.from([0, LOCAL_GET, 0, CALL]),
    leb(like),
    ...[0, 8].map((offset) => Buffer.from([LOCAL_GET, 0, CONST_64, 0, STORE_64, 3, offset])),
    Buffer.from([END]),
  ]);
}

/** Of a function that answers with a number: calls one that answers with a handle, drops that, and says zero. */
function zero(handle: number, drop: number): Buffer {
  return Buffer.concat([
    Buffer.from([0, CALL]),
    leb(handle),
    Buffer.from([CALL]),
    leb(drop),
    Buffer.from([CONST_64, 0, END]),
  ]);
}

/** @returns undefined for a module that lacks one of the imports */
function withConstants(bytes: Buffer, sections: readonly Section[]): Uint8Array | undefined {
  const imported = sections.find(({ id }) => id === IMPORTS);
  if (imported === undefined) return undefined;
  const imports = importsOf(bytes, imported);
  const named = (pattern: RegExp) => imports.find(({ name, fn }) => fn !== undefined && pattern.test(name));
  const [seed, wall, clock] = [SEED, WALL_CLOCK, CLOCK].map(named);
  const [environment, stdin, drop] = [ENVIRONMENT, STDIN, DROP_STDIN].map((name) => named(name)?.fn?.index);
  if (environment === undefined || stdin === undefined || drop === undefined) return undefined;
  const made: Constant[] = [
    { of: seed, name: 'gtpack_seed', body: zeros(environment) },
    { of: wall, name: 'gtpack_wall_clock', body: zeros(environment) },
    { of: clock, name: 'gtpack_clock', body: zero(stdin, drop) },
  ];
  if (made.some(({ of }) => of?.fn === undefined)) return undefined;
  const functionImports = imports.filter(({ fn }) => fn !== undefined).length;
  const defined = countOf(bytes, sections, FUNCTIONS);
  const parts: Uint8Array[] = [MAGIC];
  for (const { id, start, end } of sections) {
    let content: Buffer = bytes.subarray(start, end);
    if (id === IMPORTS) {
      const written = imports.map((each) => {
        const constant = made.find(({ of }) => of === each);
        // Neither has a space.
        const [module = '', field = ''] =
          constant === undefined ? each.name.split(' ') : ['env', constant.name];
        return Buffer.concat([text(module), text(field), bytes.subarray(each.start, each.end)]);
      });
      content = Buffer.concat([leb(imports.length), ...written]);
    } else if (id === FUNCTIONS) {
      content = longer(
        content,
        made.map(({ of }) => leb(of?.fn?.type ?? 0)),
      );
    } else if (id === EXPORTS) {
      // At the end of the index space, so that no other function's index moves.
      content = longer(
        content,
        made.map(({ name }, index) =>
          Buffer.concat([text(name), Buffer.from([0]), leb(functionImports + defined + index)]),
        ),
      );
    } else if (id === CODE) {
      content = longer(
        content,
        made.map(({ body }) => Buffer.concat([leb(body.length), body])),
      );
    }
    parts.push(Buffer.from([id]), leb(content.length), content);
  }
  return Buffer.concat(parts);
}

function countOf(bytes: Buffer, sections: readonly Section[], wanted: number): number {
  const section = sections.find(({ id }) => id === wanted);
  return section === undefined ? 0 : new Reader(bytes, section.start).number();
}

/** A vector with more items at its end. */
function longer(content: Buffer, items: readonly Uint8Array[]): Buffer {
  const reader = new Reader(content, 0);
  const count = reader.number();
  return Buffer.concat([leb(count + items.length), content.subarray(reader.at), ...items]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([leb(bytes.length), bytes]);
}

function leb(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest = Math.floor(rest / 0x80);
  } while (rest > 0);
  return Buffer.from(bytes);
}

class Reader {
  readonly #bytes: Buffer;
  at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  byte(): number {
    const byte = this.#bytes[this.at] ?? 0;
    this.at += 1;
    return byte;
  }

  /** LEB128, unsigned; five bytes of it at most, as 32 bits have. */
  number(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    return value;
  }

  text(): string {
    const length = this.number();
    const value = this.#bytes.toString('latin1', this.at, this.at + length);
    this.at += length;
    return value;
  }
}
