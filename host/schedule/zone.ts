/** A stretch of time in which a zone's clocks are ahead of UTC by one offset. Milliseconds throughout. */
export interface Stretch {
  /** The instant at which it begins; -Infinity for the first one. */
  readonly start: number;
  /** The instant at which the next one begins; Infinity for the last one. */
  readonly end: number;
  readonly offset: number;
  /** The offset before its start; its own for the first one. */
  readonly before: number;
}

/** Far more than what looks of several hosts' schedules are about at a time. */
const MAX_KNOWN = 64;

/** The clocks of a time zone. */
export class Zone {
  readonly #name: string;
  #known: Stretch[] = [];
  #last: Stretch | undefined;

  /** @throws RangeError for a name that is no time zone's */
  constructor(name: string) {
    this.#name = name;
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name);
  }

  /** The stretch that an instant lies in. */
  at(instant: number): Stretch {
    const last = this.#last;
    if (last !== undefined && last.start <= instant && instant < last.end) return last;
    const stretch =
      this.#known.find(({ start, end }) => start <= instant && instant < end) ?? this.#read(instant);
    this.#last = stretch;
    return stretch;
  }

  #read(instant: number): Stretch {
    const end =
      this.#zoned(instant).getTimeZoneTransition('next')?.epochMilliseconds ?? Number.POSITIVE_INFINITY;
    // Strictly before: asked a millisecond later, it finds one at the instant itself.
    const start =
      this.#zoned(instant + 1).getTimeZoneTransition('previous')?.epochMilliseconds ??
      Number.NEGATIVE_INFINITY;
    const offset = this.#offset(instant);
    const before = start === Number.NEGATIVE_INFINITY ? offset : this.#offset(start - 1);
    const stretch = { start, end, offset, before };
    if (this.#known.length >= MAX_KNOWN) this.#known = [];
    this.#known.push(stretch);
    return stretch;
  }

  #offset(instant: number): number {
    return Math.round(this.#zoned(instant).offsetNanoseconds / 1e6);
  }

  #zoned(instant: number): Temporal.ZonedDateTime {
    return Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(this.#name);
  }
}
