import { type ErrorCode, GtpackError, type Problem } from '../errors.ts';
import type { Path, YamlFile } from '../yaml.ts';

/** Of a file that is wrong from end to end, this many problems help. */
const MAX_PROBLEMS = 20;

/** A problem with the value at `path`. */
export function problemAt(yaml: YamlFile, path: Path, code: ErrorCode, message: string): Problem {
  return { code, message, file: yaml.file, ...yaml.at(path) };
}

/** Throws the problems in the order of the file, if there are any. */
export function throwProblems(problems: readonly Problem[]): void {
  const sorted = problems.toSorted(
    (a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0),
  );
  const [first, ...rest] = sorted.slice(0, MAX_PROBLEMS);
  if (first === undefined) return;
  const left = sorted.length - MAX_PROBLEMS;
  if (left > 0) {
    const { code, file } = first;
    rest.push({
      code,
      message: `${left} more problems are not shown.`,
      ...(file === undefined ? {} : { file }),
    });
  }
  throw GtpackError.ofProblems([first, ...rest]);
}
