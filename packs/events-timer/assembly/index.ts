/** Turns an instant of a schedule into the event `timer.<name>`, or of the type that the schedule's config names. */
import { configJson, EventDraft, field, outcome, problem, textField } from "gtpack";
import { cancel, list, schedule } from "./one-shot";

/** Ticks of the provider's own schedules have this before the provider's id; those of flows do not. */
const OWN = "provider:";

export function tick(text: string): string {
  const name = textField(text, "name");
  if (name === null) return problem("tick_invalid", "The tick was expected to have a name, got none.");
  // The tick is the payload as it stands: schedule, name, scheduled_at, fired_at, last_run, missed; instants in ms.
  const event = new EventDraft(text);
  const schedule = textField(text, "schedule");
  if (schedule !== null && schedule.startsWith(OWN)) event.eventType = configuredType(name);
  if (event.eventType === null) event.eventType = "timer." + tokenOf(name);
  return outcome([event]);
}

/** What flows ask for: timers of their own, which fire once. */
export function invoke(operation: string, input: string): string {
  if (operation == "schedule") return schedule(input);
  if (operation == "cancel") return cancel(input);
  if (operation == "list") return list(input);
  return problem("operation_unknown", "The operations are schedule, cancel and list.");
}

/** `schedules.<name>.event_type` of the config; null where it names none. */
function configuredType(name: string): string | null {
  const schedules = field(configJson(), "schedules");
  if (schedules === null) return null;
  const schedule = field(schedules, name);
  if (schedule === null) return null;
  return textField(schedule, "event_type");
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
