import type { ASTNode } from '@marcbachmann/cel-js';

/**
 * What the host adds to the CEL library, on the library's own syntax tree: bounds on comprehensions and on growth, no
 * `matches` (its RegExp may backtrack without end), and `steps.<id>` checked against the flow.
 *
 * `boundEvaluation` reaches into the tree's undeclared parts (`meta.alternate`, `handle`, `args` of comprehensions), so
 * the library's version is pinned exactly, and test/flow/expression.test.ts holds each bound.
 */

/** What is wrong with an expression that does not compile. */
export interface ExpressionFault {
  readonly message: string;
  readonly cure?: string;
  /** A name that nothing has, and those that there are: for a suggestion, which is not the cell's to make. */
  readonly unknown?: { readonly word: string; readonly known: readonly string[] };
  /** Characters from the start of the expression. */
  readonly offset: number;
}

const MAX_COMPREHENSION_NESTING = 2;
const MAX_COMPREHENSION_ELEMENTS = 1000;
const MAX_LIST_ELEMENTS = 100_000;
const MAX_TEXT_CHARACTERS = 1024 * 1024;

/** An expression passed one of the bounds while it was evaluated. */
export class CelBoundError extends Error {}

const COMPREHENSIONS: ReadonlySet<string> = new Set(['all', 'exists', 'exists_one', 'map', 'filter']);
const LOST_KEYS: ReadonlySet<unknown> = new Set(['__proto__', 'constructor', 'prototype']);

/** The first thing in a parsed expression that the host does not allow. */
export function findFault(root: ASTNode, nodes: readonly string[]): ExpressionFault | undefined {
  const open: { readonly node: ASTNode; readonly nesting: number }[] = [{ node: root, nesting: 0 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const fault = faultOf(next.node, next.nesting, nodes);
    if (fault !== undefined) return fault;
    for (const child of children(next.node, next.nesting)) open.push(child);
  }
  return undefined;
}

function faultOf(node: ASTNode, nesting: number, nodes: readonly string[]): ExpressionFault | undefined {
  const offset = node.start;
  if ((node.op === 'rcall' || node.op === 'call') && node.args[0] === 'matches') {
    return {
      message: '`matches` is refused: this host has no engine whose time is linear in the text.',
      cure: 'Use startsWith, endsWith, contains or indexOf, or a script node.',
      offset,
    };
  }
  if (isComprehension(node) && nesting >= MAX_COMPREHENSION_NESTING) {
    return {
      message: `Comprehensions are nested more than ${MAX_COMPREHENSION_NESTING} deep.`,
      cure: 'Use a script node.',
      offset,
    };
  }
  if (node.op === 'map') {
    const lost = node.args.find(([key]) => key.op === 'value' && LOST_KEYS.has(key.args))?.[0];
    if (lost !== undefined) {
      return { message: `A map may not have the key ${JSON.stringify(lost.args)}.`, offset: lost.start };
    }
  }
  const step = stepOf(node);
  if (step !== undefined && !nodes.includes(step)) {
    return {
      message: `steps has no ${JSON.stringify(step)}.`,
      unknown: { word: step, known: nodes },
      offset,
    };
  }
  return undefined;
}

/** The id in `steps.id` or `steps['id']`. */
function stepOf(node: ASTNode): string | undefined {
  if (node.op === '.' && isSteps(node.args[0])) return node.args[1];
  if (node.op === '[]' && isSteps(node.args[0]) && node.args[1].op === 'value') {
    const key = node.args[1].args;
    return typeof key === 'string' ? key : undefined;
  }
  return undefined;
}

function isSteps(node: ASTNode): boolean {
  return node.op === 'id' && node.args === 'steps';
}

/** Whether `a.b.c` stands somewhere in an expression for the path [a, b, c], as `a['b'].?c` and its like do, too. */
export function hasPath(root: ASTNode, path: readonly string[]): boolean {
  const open = [root];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (isPath(node, path)) return true;
    for (const child of children(node, 0)) open.push(child.node);
  }
  return false;
}

function isPath(node: ASTNode, path: readonly string[]): boolean {
  const key = path.at(-1);
  if (path.length === 1) return node.op === 'id' && node.args === key;
  if (node.op !== '.' && node.op !== '.?' && node.op !== '[]' && node.op !== '[?]') return false;
  const [of, last] = node.args;
  const name = typeof last === 'string' ? last : last.op === 'value' ? last.args : undefined;
  return name === key && isPath(of, path.slice(0, -1));
}

function isComprehension(node: ASTNode): boolean {
  return node.op === 'rcall' && COMPREHENSIONS.has(node.args[0]) && node.args[2].length >= 2;
}

function children(node: ASTNode, nesting: number): { node: ASTNode; nesting: number }[] {
  if (node.op === 'rcall') {
    // The list itself is evaluated once, outside of the loop that runs over it.
    const inner = isComprehension(node) ? nesting + 1 : nesting;
    return [
      { node: node.args[1], nesting },
      ...node.args[2].map((argument) => ({ node: argument, nesting: inner })),
    ];
  }
  return nodesIn(node.args).map((child) => ({ node: child, nesting }));
}

function nodesIn(value: unknown): ASTNode[] {
  if (Array.isArray(value)) return value.flatMap(nodesIn);
  return isNode(value) ? [value] : [];
}

function isNode(value: unknown): value is ASTNode {
  return typeof value === 'object' && value !== null && 'op' in value && 'args' in value;
}

/** The parts of the library's nodes that its types leave out. */
interface InnerNode {
  readonly op: string;
  readonly args: unknown;
  readonly left: InnerNode;
  readonly right: InnerNode;
  readonly meta: { readonly alternate?: InnerNode };
  readonly handle: (first: unknown, second: unknown, third: unknown, fourth: unknown) => unknown;
  evaluate: (evaluator: Evaluator, node: InnerNode, context: unknown) => unknown;
}

interface Evaluator {
  run(node: InnerNode, context: unknown): unknown;
}

/** Puts the bounds into a tree that was parsed and checked. */
export function boundEvaluation(root: ASTNode): void {
  const open: ASTNode[] = [root];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    for (const child of children(node, 0)) open.push(child.node);
    const inner = node as unknown as InnerNode;
    if (node.op === '+') inner.evaluate = boundedSum;
    // What a macro such as `map` stands for.
    const loop = inner.meta.alternate;
    if (loop?.op === 'comprehension') loop.evaluate = boundedLoop;
  }
}

function boundedSum(evaluator: Evaluator, node: InnerNode, context: unknown): unknown {
  const sum = node.handle(
    evaluator.run(node.left, context),
    evaluator.run(node.right, context),
    node,
    evaluator,
  );
  if (typeof sum === 'string' && sum.length > MAX_TEXT_CHARACTERS) {
    throw new CelBoundError(`A text grew past ${MAX_TEXT_CHARACTERS} characters.`);
  }
  if (Array.isArray(sum) && sum.length > MAX_LIST_ELEMENTS) {
    throw new CelBoundError(`A list grew past ${MAX_LIST_ELEMENTS} elements.`);
  }
  return sum;
}

function boundedLoop(evaluator: Evaluator, node: InnerNode, context: unknown): unknown {
  const args = node.args as { readonly iterable: InnerNode };
  const range = evaluator.run(args.iterable, context);
  const length = lengthOf(range);
  if (length > MAX_COMPREHENSION_ELEMENTS) {
    throw new CelBoundError(
      `A comprehension runs over ${length} elements; at most ${MAX_COMPREHENSION_ELEMENTS} are allowed. Use a script node.`,
    );
  }
  return node.handle(range, args, evaluator, context);
}

function lengthOf(range: unknown): number {
  if (Array.isArray(range)) return range.length;
  if (range instanceof Map) return range.size;
  return typeof range === 'object' && range !== null ? Object.keys(range).length : 0;
}
