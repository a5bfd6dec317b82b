import { type ASTNode, Environment, type ParseResult } from '@marcbachmann/cel-js';
import { errorMessage, GtpackError } from '../errors.ts';
import type { Json } from '../event/json.ts';
import { boundEvaluation, CelBoundError, type ExpressionFault, findFault, hasPath } from './cel-rules.ts';
import { leaveCel, NoJson } from './cel-value.ts';

/** What expressions read. A subclass of Map, because that is how the library asks for a name only when it is reached. */
export type CelScope = ReadonlyMap<string, unknown>;

export interface ExpressionNames {
  /** Ids of the flow's nodes, for `steps.<id>`. */
  readonly nodes: readonly string[];
  /** The names that nodes give their output. */
  readonly outputs: readonly string[];
}

/** Of an expression that stands before all nodes. */
export const NO_NAMES: ExpressionNames = { nodes: [], outputs: [] };

/** Names that are always in scope. */
export const SCOPE_NAMES = ['event', 'headers', 'input', 'steps', 'error'] as const;

const MAX_EXPRESSION_CHARACTERS = 4096;

/** Names that CEL has taken; nothing in a flow's scope may be called so. */
export function isCelName(name: string): boolean {
  return emptyEnvironment().hasVariable(name) || CEL_WORDS.has(name);
}

const CEL_WORDS: ReadonlySet<string> = new Set(
  'as break const continue else false for function if import in let loop null package namespace prototype return true var void while __proto__'.split(
    ' ',
  ),
);

function emptyEnvironment(): Environment {
  return new Environment({
    // JSON's lists and objects are mixed.
    homogeneousAggregateLiterals: false,
    limits: {
      maxAstNodes: 1000,
      maxDepth: 32,
      maxListElements: 200,
      maxMapEntries: 200,
      maxCallArguments: 8,
    },
  });
}

const ARITHMETIC: readonly [string, (a: number, b: number) => number][] = [
  ['+', (a, b) => a + b],
  ['-', (a, b) => a - b],
  ['*', (a, b) => a * b],
  ['/', (a, b) => a / b],
  ['%', (a, b) => a % b],
];

/** CEL with JSON's one kind of number: `int` and `double` mix, and the result is a `double`. */
function jsonEnvironment(names: ExpressionNames): Environment {
  const environment = emptyEnvironment();
  for (const [operator, compute] of ARITHMETIC) {
    const mixed = (a: bigint | number, b: bigint | number): number => compute(Number(a), Number(b));
    environment.registerOperator(`int ${operator} double: double`, mixed);
    environment.registerOperator(`double ${operator} int: double`, mixed);
  }
  // Where both types are known; with JSON on one side the library compares them as it comes.
  environment.registerOperator('int == double', (a: bigint, b: number) => Number(a) === b);
  environment.registerOperator('double % double: double', (a: number, b: number) => a % b);
  for (const name of new Set([...SCOPE_NAMES, ...names.outputs])) {
    // An output of a taken name is a problem of the file, told beside those of its expressions.
    const isTaken = name === '' || environment.hasVariable(name) || CEL_WORDS.has(name);
    if (!isTaken) environment.registerVariable(name, 'dyn');
  }
  return environment;
}

/** Compiles the CEL of one flow. Compiling costs no more than its bounds allow, so the main process may do it too. */
export class ExpressionCompiler {
  readonly #environment: Environment;
  readonly #names: ExpressionNames;

  constructor(names: ExpressionNames) {
    this.#environment = jsonEnvironment(names);
    this.#names = names;
  }

  /** @returns the expression, or why it is none */
  compile(source: string, kind: 'condition' | 'value'): Expression | ExpressionFault {
    if (source.length > MAX_EXPRESSION_CHARACTERS) {
      return {
        message: `The expression is ${source.length} characters long; at most ${MAX_EXPRESSION_CHARACTERS} are allowed.`,
        offset: 0,
      };
    }
    if (source.trim() === '') return { message: 'The expression is empty.', offset: 0 };
    try {
      const parsed = this.#environment.parse(source);
      const fault = findFault(parsed.ast, this.#names.nodes);
      if (fault !== undefined) return fault;
      const checked = parsed.check();
      if (!checked.valid) return this.#faultOf(checked.error);
      if (kind === 'condition' && checked.type !== 'bool' && checked.type !== 'dyn') {
        return {
          message: `The condition is of type ${checked.type ?? 'unknown'}; it must give true or false.`,
          cure: 'Compare it with something, as in `a == b`.',
          offset: 0,
        };
      }
      boundEvaluation(parsed.ast);
      return new Expression(source, parsed);
    } catch (error) {
      return this.#faultOf(error);
    }
  }

  #faultOf(error: unknown): ExpressionFault {
    if (error instanceof RangeError) return { message: 'The expression is nested too deep.', offset: 0 };
    const { summary, offset, code } = celError(error);
    const unknown = /^Unknown variable: (.+)$/.exec(summary)?.[1];
    if (code === 'unknown_variable' && unknown !== undefined) {
      const known = [...SCOPE_NAMES, ...this.#names.outputs];
      return {
        message: `Nothing named ${JSON.stringify(unknown)} is in scope.`,
        unknown: { word: unknown, known },
        offset,
      };
    }
    return { message: `The expression is not valid CEL: ${withoutTokenNames(summary)}.`, offset };
  }
}

export function isExpression(compiled: Expression | ExpressionFault): compiled is Expression {
  return compiled instanceof Expression;
}

interface CelFault {
  readonly code: string;
  readonly summary: string;
  readonly offset: number;
}

/** The library's errors of all three kinds carry these. */
function celError(error: unknown): CelFault {
  if (!(error instanceof Error)) return { code: 'unknown', summary: String(error), offset: 0 };
  const { code, summary, range } = error as Error & Partial<CelFault> & { range?: { start: number } };
  return { code: code ?? 'unknown', summary: summary ?? error.message, offset: range?.start ?? 0 };
}

const TOKENS: Readonly<Record<string, string>> = {
  EOF: 'the end',
  IDENTIFIER: 'a name',
  NUMBER: 'a number',
  STRING: 'a text',
  BOOLEAN: 'true or false',
  NULL: 'null',
  EQ: "'=='",
  NE: "'!='",
  LPAREN: "'('",
  RPAREN: "')'",
  LBRACKET: "'['",
  RBRACKET: "']'",
  LBRACE: "'{'",
  RBRACE: "'}'",
  DOT: "'.'",
  COMMA: "','",
  COLON: "':'",
  QUESTION: "'?'",
};

function withoutTokenNames(summary: string): string {
  return summary
    .replace(/(token: |Expected |got )([A-Z]+)/g, (_, before: string, name: string) => {
      return `${before}${TOKENS[name] ?? name}`;
    })
    .replace(/^Unexpected character: =$/, "'=' was found; equality is '=='");
}

const MISSING: ReadonlySet<string> = new Set(['no_such_key', 'index_out_of_bounds', 'unknown_variable']);

/** Compiled CEL. Evaluating is not re-entrant and does not wait; it runs inside the caller's guard. */
export class Expression {
  readonly source: string;
  readonly #parsed: ParseResult;

  constructor(source: string, parsed: ParseResult) {
    this.source = source;
    this.#parsed = parsed;
  }

  /** Whether it has `a.b.c`, in whichever spelling, for the path [a, b, c]. */
  reads(path: readonly string[]): boolean {
    return hasPath(this.#parsed.ast, path);
  }

  get tree(): ASTNode {
    return this.#parsed.ast;
  }

  /**
   * @throws GtpackError `expression_key_missing` where a key, an index or a name has no value, `expression_failed` for
   *   everything else
   */
  evaluate(scope: CelScope): Json {
    const value = this.#run(scope);
    try {
      return leaveCel(value);
    } catch (error) {
      if (!(error instanceof NoJson)) throw this.#failed(error);
      throw new GtpackError(
        'expression_failed',
        `The value of ${this.#quoted()} is no JSON: ${error.message}`,
        {
          cause: error,
        },
      );
    }
  }

  /** @throws GtpackError as `evaluate`, and `expression_failed` for what is not true or false */
  test(scope: CelScope): boolean {
    const value = this.#run(scope);
    if (typeof value === 'boolean') return value;
    throw new GtpackError(
      'expression_failed',
      `The condition ${this.#quoted()} gave a ${kindOf(value)}; it must give true or false.`,
      { cure: 'Compare it with something, as in `a == b`.' },
    );
  }

  #run(scope: CelScope): unknown {
    try {
      return this.#parsed(scope as unknown as Record<string, unknown>);
    } catch (error) {
      throw this.#failed(error);
    }
  }

  #failed(error: unknown): GtpackError {
    if (error instanceof CelBoundError) {
      return new GtpackError('expression_too_costly', `${this.#quoted()}: ${error.message}`);
    }
    if (error instanceof RangeError) {
      return new GtpackError(
        'expression_too_costly',
        `${this.#quoted()} makes too long a value: ${errorMessage(error)}.`,
      );
    }
    const { code, summary } = celError(error);
    return MISSING.has(code)
      ? new GtpackError('expression_key_missing', `${this.#quoted()}: ${missing(summary)}.`, {
          cure: 'Ask with has(…) first where the key may be missing.',
        })
      : new GtpackError('expression_failed', `${this.#quoted()}: ${summary}.`, { cause: error });
  }

  #quoted(): string {
    const line = this.source.trim().replaceAll(/\s+/g, ' ');
    return `\`${line.length > 80 ? `${line.slice(0, 80)}…` : line}\``;
  }
}

function missing(summary: string): string {
  return summary
    .replace('No such key: index out of bounds', 'no such element')
    .replace(/^Unknown variable: (.*)$/, 'nothing was put into $1 yet')
    .replace('No such key', 'no such key');
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'list';
  return { bigint: 'whole number', number: 'number', string: 'text' }[typeof value as string] ?? 'map';
}
