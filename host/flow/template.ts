import type { Json } from '../event/json.ts';
import type { ExpressionFault } from './cel-rules.ts';
import { type CelScope, type Expression, type ExpressionCompiler, isExpression } from './expression.ts';

/** A template that does not compile: where in the value, and where in its text. */
export interface TemplateFault extends ExpressionFault {
  readonly path: readonly (string | number)[];
}

/**
 * JSON in which every text may hold `{{ CEL }}`. A text that is one `{{ … }}` and nothing else keeps the value's type;
 * in longer texts a text enters as it is, null as nothing, and all else as JSON.
 */
export interface Template {
  /** All that it holds; with none it renders to the same value for ever. */
  readonly expressions: readonly Expression[];
  /** @throws GtpackError as `Expression.evaluate` */
  render(scope: CelScope): Json;
}

/** @returns the template, or every fault of it */
export function compileTemplate(
  value: Json,
  compiler: ExpressionCompiler,
): Template | readonly TemplateFault[] {
  const faults: TemplateFault[] = [];
  const template = compileValue(value, [], compiler, faults);
  return faults.length === 0 ? template : faults;
}

export function isTemplate(compiled: Template | readonly TemplateFault[]): compiled is Template {
  return !Array.isArray(compiled);
}

function compileValue(
  value: Json,
  path: readonly (string | number)[],
  compiler: ExpressionCompiler,
  faults: TemplateFault[],
): Template {
  if (typeof value === 'string') return compileText(value, path, compiler, faults);
  if (typeof value !== 'object' || value === null) return constant(value);
  if (Array.isArray(value)) {
    const parts = value.map((inner: Json, at) => compileValue(inner, [...path, at], compiler, faults));
    const expressions = parts.flatMap((part) => part.expressions);
    if (expressions.length === 0) return constant(value);
    return { expressions, render: (scope) => parts.map((part) => part.render(scope)) };
  }
  const parts = Object.entries(value).map(([key, inner]) => {
    if (key.includes('{{')) {
      faults.push({
        path: [...path, key],
        message: 'A key cannot be a template.',
        cure: 'Build the object with an expression, as in "{{ {event.payload.key: 1} }}".',
        offset: 0,
      });
    }
    return [key, compileValue(inner, [...path, key], compiler, faults)] as const;
  });
  const expressions = parts.flatMap(([, part]) => part.expressions);
  if (expressions.length === 0) return constant(value);
  return {
    expressions,
    // Not by assignment: a key named __proto__ stays a key.
    render: (scope) => Object.fromEntries(parts.map(([key, part]) => [key, part.render(scope)])),
  };
}

function constant(value: Json): Template {
  return { expressions: [], render: () => value };
}

function compileText(
  text: string,
  path: readonly (string | number)[],
  compiler: ExpressionCompiler,
  faults: TemplateFault[],
): Template {
  const pieces: (string | Expression)[] = [];
  let at = 0;
  for (let open = text.indexOf('{{'); open !== -1; open = text.indexOf('{{', at)) {
    const start = open + 2;
    const end = expressionEnd(text, start);
    if (end === -1) {
      faults.push({
        path,
        message: 'A {{ is not closed by }}.',
        cure: "To write {{ itself, use {{ '{{' }}.",
        offset: open,
      });
      return constant(text);
    }
    const compiled = compiler.compile(text.slice(start, end), 'value');
    if (open > at) pieces.push(text.slice(at, open));
    if (isExpression(compiled)) pieces.push(compiled);
    else faults.push({ ...compiled, path, offset: start + compiled.offset });
    at = end + 2;
  }
  if (at < text.length) pieces.push(text.slice(at));
  const [only] = pieces;
  if (pieces.length === 1 && only !== undefined && typeof only !== 'string') {
    return { expressions: [only], render: (scope) => only.evaluate(scope) };
  }
  const expressions = pieces.filter((piece) => typeof piece !== 'string');
  if (expressions.length === 0) return constant(text);
  return {
    expressions,
    render: (scope) =>
      pieces.map((piece) => (typeof piece === 'string' ? piece : textOf(piece.evaluate(scope)))).join(''),
  };
}

function textOf(value: Json): string {
  if (typeof value === 'string') return value;
  return value === null ? '' : JSON.stringify(value);
}

/** Index of the `}}` that ends the expression begun at `start`, or -1: braces inside of it pair up, texts hide theirs. */
function expressionEnd(text: string, start: number): number {
  let braces = 0;
  for (let at = start; at < text.length; at += 1) {
    const letter = text[at];
    if (letter === '"' || letter === "'") at = quoteEnd(text, at);
    else if (letter === '{') braces += 1;
    else if (letter === '}' && braces > 0) braces -= 1;
    else if (letter === '}' && text[at + 1] === '}') return at;
  }
  return -1;
}

function quoteEnd(text: string, start: number): number {
  const quote = text[start];
  for (let at = start + 1; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === quote) return at;
  }
  return text.length;
}
