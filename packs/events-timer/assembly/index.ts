/** Turns an instant of a schedule into the event `timer.<name>`. */
import { EventDraft, outcome, problem, textField } from "gtpack";

export function tick(text: string): string {
  const name = textField(text, "name");
  if (name === null) return problem("tick_invalid", "The tick was expected to have a name, got none.");
  // The tick is the payload as it stands: schedule, name, scheduled_at, fired_at, last_run, missed; instants in ms.
  const event = new EventDraft(text);
  event.eventType = "timer." + tokenOf(name);
  return outcome([event]);
}

/** A schedule's name as one token of an event type: lower case, all but a-z, 0-9, _ and - replaced by _, at most 64 characters. */
function tokenOf(name: string): string {
  let token = "";
  for (let i = 0; i < name.length && i < 64; i++) {
    let unit = name.charCodeAt(i);
    if (unit >= 0x41 && unit <= 0x5a) unit |= 0x20;
    const allowed =
      (unit >= 0x61 && unit <= 0x7a) || (unit >= 0x30 && unit <= 0x39) || unit == 0x5f || unit == 0x2d;
    token += allowed ? String.fromCharCode(unit) : "_";
  }
  // "result" may not stand last.
  return token == "" || token == "result" ? token + "_" : token;
}
