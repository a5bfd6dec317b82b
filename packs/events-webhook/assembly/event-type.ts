import { configText, IngestRequest } from "gtpack";

/**
 * The event's type: the one in the URL's short path; else, on the long path, the config's `event_type`; else the handler,
 * which has to be an event type then.
 */
export class EventTypeChoice {
  eventType: string = "";
  /** What is wrong with the type that was chosen, for the sender. */
  fault: string | null = null;
}

export function chooseEventType(request: IngestRequest): EventTypeChoice {
  // The host has checked this one.
  const fromPath = request.eventType;
  if (fromPath !== null) return chosen(fromPath);
  const configured = configText("event_type");
  if (configured !== null) return checked(configured, "The config's event_type");
  const handler = request.handler;
  if (handler !== null) return checked(handler, "The path's last part");
  return refused("Expected an event type, got none: neither the path nor the config's event_type gives one.");
}

function checked(text: string, origin: string): EventTypeChoice {
  if (isEventType(text)) return chosen(text);
  const shown = text.length > 80 ? text.substring(0, 80) + "…" : text;
  return refused(
    origin +
      ' was expected to be an event type (1 to 8 dot-separated tokens of a-z, 0-9, _ and -, at most 128 characters, the last token not "result"), got "' +
      shown +
      '".',
  );
}

function chosen(eventType: string): EventTypeChoice {
  const choice = new EventTypeChoice();
  choice.eventType = eventType;
  return choice;
}

function refused(fault: string): EventTypeChoice {
  const choice = new EventTypeChoice();
  choice.fault = fault;
  return choice;
}

export function isEventType(text: string): bool {
  if (text.length > 128) return false;
  let tokens = 1;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit == 0x2e) {
      if (i == start) return false;
      start = i + 1;
      tokens++;
      continue;
    }
    const allowed =
      (unit >= 0x61 && unit <= 0x7a) || (unit >= 0x30 && unit <= 0x39) || unit == 0x5f || unit == 0x2d;
    if (!allowed) return false;
  }
  return tokens <= 8 && start < text.length && text.substring(start) != "result";
}
