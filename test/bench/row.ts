import type { MeasuredSide, Rounds } from './measure.ts';
import { ratios, type Summary, summarize } from './measure.ts';
import type { Workspace } from './workspace.ts';

/** A part of the bench: it prepares its processes, measures, and gives one line or more of the table. */
export interface Row {
  readonly name: string;
  readonly about: string;
  run(bench: RowTools): Promise<Line[]>;
}

export interface RowTools {
  readonly workspace: Workspace;
  readonly rounds: Rounds;
  /** A smoke run: it only has to go through. */
  readonly quick: boolean;
}

/** A line of the table. */
export interface Line {
  readonly name: string;
  readonly unit: string;
  /** The host's side first; a second one is what it is measured against. */
  readonly sides: readonly [LineSide] | readonly [LineSide, LineSide];
  /** The first over the second, round by round. */
  readonly ratio?: Summary & { readonly values: readonly number[] };
  readonly aim?: Aim;
  readonly met?: boolean;
  readonly notes: readonly string[];
}

export interface LineSide extends Summary {
  readonly label: string;
  readonly values: readonly number[];
}

/** Of the ratio, or of what is measured itself, in the row's unit. */
export type Aim =
  | { readonly atLeast: number }
  | { readonly atMost: number }
  | { readonly measuredBelow: number }
  | { readonly measuredAtLeast: number };

export interface LineWords {
  readonly name: string;
  readonly unit: string;
  readonly aim?: Aim;
  readonly notes?: readonly string[];
}

/** A line without anything to compare with. */
export function single({ name, unit, aim, notes = [] }: LineWords, side: MeasuredSide): Line {
  const sides = [lineSide(side)] as const;
  const line = { name, unit, sides, notes };
  return aim === undefined ? line : { ...line, aim, met: isMet(aim, Number.NaN, sides[0].median) };
}

/** A line that compares. */
export function pair({ name, unit, aim, notes = [] }: LineWords, a: MeasuredSide, b: MeasuredSide): Line {
  const values = ratios(a, b);
  const ratio = { ...summarize(values), values };
  const sides = [lineSide(a), lineSide(b)] as const;
  const line = { name, unit, sides, ratio, notes };
  return aim === undefined ? line : { ...line, aim, met: isMet(aim, ratio.median, sides[0].median) };
}

function lineSide(side: MeasuredSide): LineSide {
  return { ...side, ...summarize(side.values) };
}

function isMet(aim: Aim, ratio: number, measured: number): boolean {
  if ('measuredBelow' in aim) return measured < aim.measuredBelow;
  if ('measuredAtLeast' in aim) return measured >= aim.measuredAtLeast;
  return 'atLeast' in aim ? ratio >= aim.atLeast : ratio <= aim.atMost;
}
