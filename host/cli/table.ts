import { plain } from './output.ts';

/** Text of others' making may be any length. */
const MAX_CELL = 64;

/** Lines of a table, its head first; every cell on one line, all but the last cut to 64 characters. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const lines = [head, ...rows].map((row) =>
    row.map((cell, at) => (at === row.length - 1 ? plain(cell) : cut(plain(cell), MAX_CELL))),
  );
  const widths = head.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)));
  return lines.map((line) =>
    line
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** @param max characters of the result at most */
export function cut(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 1).toWellFormed()}…`;
}

/** An instant as people and machines read it. @param ms since the Unix epoch */
export function timeText(ms: number): string {
  return new Date(ms).toISOString();
}
