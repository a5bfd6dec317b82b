import { quoted } from './names.ts';

/**
 * Where and why a text that `JSON.parse` refused is not JSON, as in `a value was expected at line 2, column 7, and
 * "}" came`. The engine's own message often gives no place, and quotes the text at length.
 */
export function jsonFault(text: string): string {
  const fault = new Walk(text).run();
  if (fault === undefined) return 'the parser refused it';
  const before = text.slice(0, fault.offset);
  const line = before.split('\n').length;
  const column = fault.offset - before.lastIndexOf('\n');
  const [came] = text.slice(fault.offset, fault.offset + 2);
  const found = came === undefined ? 'the text ended' : `${quoted(came)} came`;
  return `${fault.expected} was expected at line ${line}, column ${column}, and ${found}`;
}

interface Fault {
  readonly expected: string;
  readonly offset: number;
}

/** One reading of a JSON text, up to its first fault. Linear, and as deep as its own array, not the call stack. */
class Walk {
  readonly #text: string;
  #offset = 0;
  readonly #space = /[ \t\n\r]*/y;
  /** All but quotes, backslashes and control characters. */
  readonly #plain = /[ !#-[\]-\uffff]*/y;
  readonly #escape = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
  readonly #scalar = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

  constructor(text: string) {
    this.#text = text;
  }

  run(): Fault | undefined {
    const closers: string[] = [];
    for (;;) {
      this.#skip(this.#space);
      let fault: Fault | undefined;
      if (this.#opens('{', '}', closers)) fault = this.#key();
      else if (this.#opens('[', ']', closers)) fault = undefined;
      else {
        fault = this.#leaf();
        const end = fault ?? this.#afterValue(closers);
        if (end === 'finished') return undefined;
        fault = end;
      }
      if (fault !== undefined) return fault;
    }
  }

  /** Enters a container that has something in it. An empty one is left to `#leaf`. */
  #opens(open: string, close: string, closers: string[]): boolean {
    const start = this.#offset;
    if (!this.#take(open)) return false;
    this.#skip(this.#space);
    if (this.#text[this.#offset] === close) {
      this.#offset = start;
      return false;
    }
    closers.push(close);
    return true;
  }

  /** A scalar or an empty container. */
  #leaf(): Fault | undefined {
    const close = this.#take('{') ? '}' : this.#take('[') ? ']' : undefined;
    if (close !== undefined) {
      this.#skip(this.#space);
      this.#take(close);
      return undefined;
    }
    if (this.#text[this.#offset] === '"') return this.#string();
    return this.#skip(this.#scalar) ? undefined : this.#fault('a value');
  }

  /** Reads on to where the next value is due. */
  #afterValue(closers: string[]): Fault | 'finished' | undefined {
    for (;;) {
      this.#skip(this.#space);
      const closer = closers.at(-1);
      if (closer === undefined) {
        return this.#offset === this.#text.length ? 'finished' : this.#fault('the end of the text');
      }
      if (this.#take(closer)) closers.pop();
      else if (this.#take(',')) return closer === '}' ? this.#key() : undefined;
      else return this.#fault(`"," or ${quoted(closer)}`);
    }
  }

  #key(): Fault | undefined {
    this.#skip(this.#space);
    if (this.#text[this.#offset] !== '"') return this.#fault('a key in double quotes');
    const fault = this.#string();
    if (fault !== undefined) return fault;
    this.#skip(this.#space);
    return this.#take(':') ? undefined : this.#fault('":"');
  }

  #string(): Fault | undefined {
    this.#offset += 1;
    do this.#skip(this.#plain);
    while (this.#skip(this.#escape));
    if (this.#take('"')) return undefined;
    return this.#fault(
      this.#text[this.#offset] === '\\' ? 'a known escape sequence' : 'the rest of a string in double quotes',
    );
  }

  #fault(expected: string): Fault {
    return { expected, offset: this.#offset };
  }

  #take(text: string): boolean {
    if (!this.#text.startsWith(text, this.#offset)) return false;
    this.#offset += text.length;
    return true;
  }

  #skip(pattern: RegExp): boolean {
    pattern.lastIndex = this.#offset;
    if (!pattern.test(this.#text)) return false;
    this.#offset = pattern.lastIndex;
    return true;
  }
}
