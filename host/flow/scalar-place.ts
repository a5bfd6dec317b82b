import type { Place } from '../yaml.ts';

/**
 * Where the character `offset` of a text stands in the YAML file whose value the text is.
 *
 * Exact for plain and block scalars and for quoted ones without escapes; within folded (`>`) and many-line quoted
 * scalars it is the scalar's first line.
 *
 * @param lines the file, split at line feeds
 * @param start where the scalar stands: its first letter, its quote, or the `|` of a block
 */
export function placeInScalar(lines: readonly string[], start: Place, value: string, offset: number): Place {
  const first = lines[start.line - 1] ?? '';
  const head = first.slice(start.column - 1);
  if (head.startsWith('|')) return placeInBlock(lines, start, value, offset);
  if (head.startsWith('>')) return { line: start.line + 1, column: indentation(lines[start.line] ?? '') + 1 };
  const quoted = head.startsWith('"') || head.startsWith("'") ? 1 : 0;
  const shown = head.slice(quoted);
  // Escapes and line breaks inside shift what follows them.
  const exact = shown.startsWith(value.slice(0, offset));
  return exact ? { line: start.line, column: start.column + quoted + offset } : start;
}

function placeInBlock(lines: readonly string[], start: Place, value: string, offset: number): Place {
  const before = value.slice(0, offset).split('\n');
  const column = before.at(-1)?.length ?? 0;
  let indent = 0;
  for (let at = start.line; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    if (line.trim() === '') continue;
    // A first line may be indented further than the block; the value shows by how much.
    const content = value.split('\n').find((text) => text.trim() !== '') ?? '';
    indent = indentation(line) - indentation(content);
    break;
  }
  return { line: start.line + before.length, column: indent + column + 1 };
}

function indentation(line: string): number {
  return line.length - line.trimStart().length;
}
