/** MAJOR.MINOR.PATCH, and what may follow (semver.org, 2.0.0). */
const VERSION = /^(\d{1,9})\.(\d{1,9})\.(\d{1,9})(-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/;

/** Whether `version` comes before `other` as semver orders them; false where either is no such version. */
export function isOlder(version: string, other: string): boolean {
  const [a, b] = [VERSION.exec(version), VERSION.exec(other)];
  if (a === null || b === null) return false;
  for (const part of [1, 2, 3]) {
    const difference = Number(a[part]) - Number(b[part]);
    if (difference !== 0) return difference < 0;
  }
  return isOlderPrerelease(a[4]?.slice(1), b[4]?.slice(1));
}

/** A release comes after all of its prereleases. */
function isOlderPrerelease(a: string | undefined, b: string | undefined): boolean {
  if (a === undefined || b === undefined) return a !== undefined && b === undefined;
  const [left, right] = [a.split('.'), b.split('.')];
  for (const [index, part] of left.entries()) {
    const other = right[index];
    if (other === undefined) return false;
    if (part === other) continue;
    const [isNumber, isOtherNumber] = [/^\d+$/.test(part), /^\d+$/.test(other)];
    // Numbers come before words.
    if (isNumber !== isOtherNumber) return isNumber;
    return isNumber ? Number(part) < Number(other) : part < other;
  }
  return left.length < right.length;
}
