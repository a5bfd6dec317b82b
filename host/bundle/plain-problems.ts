import type { Problem } from '../errors.ts';
import type { Path, YamlFile } from '../yaml.ts';
import { problemAt } from './problems.ts';

/**
 * Why parts of a YAML file are not what JSON could say: `.nan`, bytes, numbers that lost digits, values that hold
 * themselves, and keys named `__proto__`, which schema libraries pass over in silence.
 */
export function plainProblems(yaml: YamlFile): Problem[] {
  const problems: Problem[] = [];
  const around = new Set<object>();
  const visit = (value: unknown, path: Path): void => {
    const fault =
      faultOf(value) ?? (isObject(value) && around.has(value) ? 'is inside of itself' : undefined);
    if (fault !== undefined) {
      problems.push(problemAt(yaml, path, 'bundle_invalid', `${path.join('.')} ${fault}.`));
    } else if (isObject(value)) {
      around.add(value);
      for (const [key, inner] of Object.entries(value)) {
        const innerPath = [...path, Array.isArray(value) ? Number(key) : key];
        if (key === '__proto__')
          problems.push(problemAt(yaml, innerPath, 'bundle_invalid', 'A key may not be named __proto__.'));
        else visit(inner, innerPath);
      }
      around.delete(value);
    }
  };
  visit(yaml.value, []);
  return problems;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function faultOf(value: unknown): string | undefined {
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) return 'is not a number that JSON knows; write it in quotes to mean a text';
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
      return 'is a number that loses digits past 2^53; write it in quotes to mean a text';
    }
  }
  if (isObject(value) && !Array.isArray(value) && Object.getPrototypeOf(value) !== Object.prototype) {
    return 'is tagged as bytes or another type; only plain values can be used here';
  }
  return undefined;
}
