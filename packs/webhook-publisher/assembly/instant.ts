/** Milliseconds since the Unix epoch as RFC 3339, UTC. */
export function instantText(ms: i64): string {
  const days = ms / 86_400_000;
  const rest = <i32>(ms % 86_400_000);
  // Howard Hinnant's civil_from_days: years that begin in March have their leap day last.
  const shifted = days + 719_468;
  const era = shifted / 146_097;
  const dayOfEra = <i32>(shifted % 146_097);
  const yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365;
  const dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
  const march = (5 * dayOfYear + 2) / 153;
  const day = dayOfYear - (153 * march + 2) / 5 + 1;
  const month = march < 10 ? march + 3 : march - 9;
  const year = yearOfEra + <i32>era * 400 + (month <= 2 ? 1 : 0);
  const seconds = rest / 1000;
  return (
    digits(year, 4) + "-" + digits(month, 2) + "-" + digits(day, 2) + "T" +
    digits(seconds / 3600, 2) + ":" + digits((seconds / 60) % 60, 2) + ":" + digits(seconds % 60, 2) + "." +
    digits(rest % 1000, 3) + "Z"
  );
}

function digits(value: i32, length: i32): string {
  return value.toString().padStart(length, "0");
}
