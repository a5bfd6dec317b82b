import { ArrayWalker, field, JsonWriter, unquote } from "./json";
import { EventDraft } from "./outcome";
import { failed, okIn, problemIn, Result, succeeded, wrongAnswer } from "./result";
import { QUOTE } from "./scan";

// @ts-ignore: decorator
@external("gtpack:plugin/bus@0.1.0", "publish")
declare function hostPublish(events: string): string;

// @ts-ignore: decorator
@lazy
const PUBLISH = "bus.publish";

/** Publishing of events, to the provider's own tenant. */
export namespace bus {
  /**
   * Publishes all of the events or none; each needs an `eventType`.
   * Gives their ids, in the same order, once they are durable.
   */
  export function publish(events: EventDraft[]): Result<string[]> {
    let units = 2;
    for (let i = 0; i < events.length; i++) units += events[i].payload.length + 384;
    const writer = new JsonWriter(units);
    writer.raw("[");
    for (let i = 0; i < events.length; i++) {
      if (i > 0) writer.raw(",");
      events[i].writeTo(writer);
    }
    writer.raw("]");
    const envelope = hostPublish(writer.toString());
    const failure = problemIn(envelope, PUBLISH);
    if (failure !== null) return failed<string[]>(failure);
    const ids = field(okIn(envelope), "ids");
    if (ids === null) return failed<string[]>(wrongAnswer(PUBLISH));
    const result: string[] = [];
    const walker = new ArrayWalker(ids);
    while (walker.next()) {
      const id = walker.raw();
      if (id.charCodeAt(0) != QUOTE) return failed<string[]>(wrongAnswer(PUBLISH));
      result.push(unquote(id));
    }
    return result.length == events.length ? succeeded<string[]>(result) : failed<string[]>(wrongAnswer(PUBLISH));
  }
}
