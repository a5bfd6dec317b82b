import { field, JsonWriter, textField } from "./json";
import { EventDraft } from "./outcome";
import { failed, flagIn, okIn, problemIn, Result, succeeded, wrongAnswer } from "./result";
import { OPEN_BRACKET } from "./scan";
import { isInteger, parseDecimal } from "./text";

// @ts-ignore: decorator
@external("gtpack:plugin/timers@0.1.0", "set")
declare function hostSet(timer: string): string;

// @ts-ignore: decorator
@external("gtpack:plugin/timers@0.1.0", "clear")
declare function hostClear(id: string): string;

// @ts-ignore: decorator
@external("gtpack:plugin/timers@0.1.0", "list")
declare function hostList(query: string): string;

// @ts-ignore: decorator
@lazy
const LIST = "timers.list";

// @ts-ignore: decorator
@lazy
const SET = "timers.set";

/** A timer to be set: `Timer.at(…)` or `Timer.after(…)`. */
export class Timer {
  private repeats: bool = false;
  private everyMs: i64 = 0;

  /** `instant`: the key `at` or `after_ms`. */
  constructor(private id: string, private instant: string, private ms: i64, private event: EventDraft) {}

  /**
   * A timer that is due at an instant, in milliseconds since the Unix epoch. `id`: 1 to 128 characters, the provider's own;
   * setting it again replaces it. `event` needs an `eventType`, and may have neither id, timestamp nor idempotency key.
   */
  static at(id: string, ms: i64, event: EventDraft): Timer {
    return new Timer(id, "at", ms, event);
  }

  /** A timer that is due so many milliseconds from now. */
  static after(id: string, ms: i64, event: EventDraft): Timer {
    return new Timer(id, "after_ms", ms, event);
  }

  /** Repeats it so often after the first time, in milliseconds, at least 1,000. */
  every(ms: i64): Timer {
    this.repeats = true;
    this.everyMs = ms;
    return this;
  }

  /** The document that `timers.set` of the contract takes. */
  toJson(): string {
    const writer = new JsonWriter(this.id.length + this.event.payload.length + 512);
    writer.raw('{"id":');
    writer.text(this.id);
    writer.raw(",");
    writer.text(this.instant);
    writer.raw(":");
    writer.integer(this.ms);
    if (this.repeats) {
      writer.raw(',"every_ms":');
      writer.integer(this.everyMs);
    }
    writer.raw(',"event":');
    this.event.writeTo(writer);
    writer.raw("}");
    return writer.toString();
  }
}

/** A page of the provider's own timers. */
export class TimerPage {
  /** @param json the timers as the JSON array `[{ id, due_at, every_ms, event_type }]` @param next where the next page begins, or null */
  constructor(public json: string, public next: string | null) {}
}

/** Durable timers that emit an event when they are due. */
export namespace timers {
  /** Sets a timer, in place of one with the same id. Gives when it is due first, in milliseconds since the Unix epoch. */
  export function set(timer: Timer): Result<i64> {
    const envelope = hostSet(timer.toJson());
    const failure = problemIn(envelope, SET);
    if (failure !== null) return failed<i64>(failure);
    const dueAt = field(okIn(envelope), "due_at");
    if (dueAt === null || !isInteger(dueAt)) return failed<i64>(wrongAnswer(SET));
    return succeeded<i64>(parseDecimal(dueAt));
  }

  /** Takes a timer away. Gives whether there was such a one. */
  export function clear(id: string): Result<bool> {
    return flagIn(hostClear(id), "timers.clear");
  }

  /** A page of the provider's own timers. `after`: `next` of the page before; null for the first. `limit`: 1 to 100. */
  export function list(after: string | null = null, limit: i32 = 100): Result<TimerPage> {
    const writer = new JsonWriter(64);
    writer.raw('{"limit":');
    writer.integer(limit);
    if (after !== null) {
      writer.raw(',"after":');
      writer.text(after);
    }
    writer.raw("}");
    const envelope = hostList(writer.toString());
    const failure = problemIn(envelope, LIST);
    if (failure !== null) return failed<TimerPage>(failure);
    const page = okIn(envelope);
    const listed = field(page, "timers");
    if (listed === null || listed.charCodeAt(0) != OPEN_BRACKET) return failed<TimerPage>(wrongAnswer(LIST));
    return succeeded<TimerPage>(new TimerPage(listed, textField(page, "next")));
  }
}
