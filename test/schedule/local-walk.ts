/**
 * An independent calculation of cron: it reads expressions itself, walks over the days and minutes of a zone's local
 * time, and knows the zone only by what `Intl` says its clocks show.
 */

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/** What a zone's clocks show, by offsets that were looked up once. */
export class ShownTime {
  /** Instants at which the offset changes, and the offset from then on. */
  readonly changes: { readonly at: number; readonly offset: number }[] = [];
  readonly #offsets: ReadonlySet<number>;

  constructor(zone: string, from: number, to: number) {
    const format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      ...{ year: 'numeric', month: 'numeric', day: 'numeric' },
      ...{ hour: 'numeric', minute: 'numeric', second: 'numeric' },
    });
    const offsetOf = (instant: number): number => {
      const [month = 0, day = 0, year = 0, hour = 0, minute = 0, second = 0] = (
        format.format(instant).match(/\d+/g) ?? []
      ).map(Number);
      return Date.UTC(year, month - 1, day, hour, minute, second) - instant;
    };
    this.changes.push({ at: Number.NEGATIVE_INFINITY, offset: offsetOf(from) });
    for (let at = from; at < to; at += DAY / 2) {
      const after = offsetOf(at + DAY / 2);
      if (after === offsetOf(at)) continue;
      let [low, high] = [at, at + DAY / 2];
      while (high - low > 1000) {
        const middle = Math.floor((low + high) / 2000) * 1000;
        if (offsetOf(middle) === after) high = middle;
        else low = middle;
      }
      this.changes.push({ at: high, offset: after });
    }
    this.#offsets = new Set(this.changes.map(({ offset }) => offset));
  }

  offsetAt(instant: number): number {
    return this.changes.findLast(({ at }) => at <= instant)?.offset ?? Number.NaN;
  }

  /** Every instant at which the clocks show a local time, in order. */
  instantsOf(local: number): number[] {
    const instants: number[] = [];
    for (const offset of this.#offsets)
      if (this.offsetAt(local - offset) === offset) instants.push(local - offset);
    return instants.sort((a, b) => a - b);
  }

  /** The first instant after a local time that the clocks skip. */
  afterGap(local: number): number {
    const change = this.changes.find(
      ({ at, offset }, index) =>
        index > 0 && local >= at + (this.changes[index - 1]?.offset ?? 0) && local < at + offset,
    );
    if (change === undefined) throw new Error('no gap');
    return change.at;
  }
}

interface Fields {
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly hourField: string;
  isDay(day: Date): boolean;
}

function numbers(field: string, least: number, most: number): number[] {
  const found = new Set<number>();
  for (const part of field.split(',')) {
    const [range = '', step = '1'] = part.split('/');
    const [low, high = range.includes('-') || !part.includes('/') ? low : String(most)] =
      range === '*' ? [String(least), String(most)] : range.split('-');
    for (let value = Number(low); value <= Number(high); value += Number(step)) found.add(value);
  }
  return [...found].sort((a, b) => a - b);
}

function read(cron: string): Fields {
  const [minute = '', hour = '', dayOfMonth = '', month = '', dayOfWeek = ''] = cron.split(' ');
  const months = numbers(month, 1, 12);
  const weekdays = numbers(dayOfWeek, 0, 7).map((day) => day % 7);
  const isLast = dayOfMonth === 'L';
  const days = isLast ? [] : numbers(dayOfMonth, 1, 31);
  return {
    minutes: numbers(minute, 0, 59),
    hours: numbers(hour, 0, 23),
    hourField: hour,
    isDay: (day) => {
      if (!months.includes(day.getUTCMonth() + 1)) return false;
      const byWeekday = weekdays.includes(day.getUTCDay());
      const byDay = isLast
        ? new Date(day.getTime() + DAY).getUTCDate() === 1
        : days.includes(day.getUTCDate());
      if (dayOfMonth === '*') return byWeekday;
      if (dayOfWeek === '*') return byDay;
      return byDay || byWeekday;
    },
  };
}

/** Every instant of a cron expression of 5 fields from `from` up to, and not with, `to`. */
export function walk(cron: string, shown: ShownTime, from: number, to: number): number[] {
  const { minutes, hours, hourField, isDay } = read(cron);
  const isFixed = !/[*/]/.test(hourField);
  const isEvery = hourField.split(',').includes('*');
  const instants = new Set<number>();
  // Two days more at each end: clocks are up to 14 hours ahead, and a day may be skipped.
  for (let day = Math.floor(from / DAY) * DAY - 2 * DAY; day < to + 2 * DAY; day += DAY) {
    if (!isDay(new Date(day))) continue;
    for (const hour of hours) {
      for (const minute of minutes) {
        const local = day + (hour * 60 + minute) * MINUTE;
        const [first, ...again] = shown.instantsOf(local);
        if (first === undefined) {
          if (!isEvery) instants.add(shown.afterGap(local));
        } else {
          instants.add(first);
          if (!isFixed) for (const instant of again) instants.add(instant);
        }
      }
    }
  }
  return [...instants].filter((instant) => instant >= from && instant < to).sort((a, b) => a - b);
}
