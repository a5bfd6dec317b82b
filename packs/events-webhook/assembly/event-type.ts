import { IngestRequest } from "gtpack";
import { scalarAt } from "./json-path";
import { Rules } from "./preset";
import { Settings } from "./settings";

/** An event's type, or what is wrong with it. */
export class EventTypeChoice {
  eventType: string = "";
  /** What is wrong with the type that was chosen, for the sender. */
  fault: string | null = null;
}

/**
 * The type that the request itself says, where the config or its preset tells how: in a header, or in its JSON. Else the one in the URL's
 * short path; else, on the long path, the config's `event_type`, else the handler, which has to be an event type then.
 *
 * @param json the payload
 * @param cloudType that of a CloudEvent
 */
export function chooseEventType(
  request: IngestRequest,
  own: Settings,
  rules: Rules | null,
  json: string,
  cloudType: string | null = null,
): EventTypeChoice {
  const said = cloudType !== null && own.typeFrom === null ? cloudType : saidType(request, own, rules, json);
  if (said !== null) {
    const configured = own.typePrefix;
    let prefix = "";
    if (configured !== null) prefix = configured;
    else if (rules !== null && own.typeFrom === null) prefix = rules.prefix;
    return checked(prefix + tokensOf(said), "What the request says");
  }
  // The host has checked this one.
  const fromPath = request.eventType;
  if (fromPath !== null) return chosen(fromPath);
  const configured = own.eventType;
  if (configured !== null) return checked(configured, "The config's event_type");
  const handler = request.handler;
  if (handler !== null) {
    const prefix = own.typePrefix;
    return checked(prefix === null ? handler : prefix + handler, "The path's last part");
  }
  return refused("Expected an event type, got none: neither the path nor the config's event_type gives one.");
}

function saidType(request: IngestRequest, own: Settings, rules: Rules | null, json: string): string | null {
  const source = own.typeFrom;
  if (source !== null) return valueOf(request, source.header, source.path, json);
  if (rules === null) return null;
  const said = valueOf(request, rules.typeHeader, rules.typePath, json);
  if (said !== null) return said;
  // What Slack posts besides events: a command typed, a button pressed.
  if (rules.prefix != "slack.") return null;
  const command = scalarAt(json, "command");
  return command !== null ? "command" : scalarAt(json, "type");
}

/** What a header says, or a path into the JSON; null where there is nothing, or an empty text. */
export function valueOf(request: IngestRequest, header: string | null, path: string | null, json: string): string | null {
  let value: string | null = null;
  if (header !== null) value = request.header(header);
  else if (path !== null) value = scalarAt(json, path);
  return value !== null && value.length > 0 ? value : null;
}

/** Others' names as tokens: `orders/create` is `orders.create`; capitals become small, and what no token may hold an underscore. */
function tokensOf(name: string): string {
  let tokens = "";
  for (let i = 0; i < name.length; i++) {
    let unit = name.charCodeAt(i);
    if (unit >= 0x41 && unit <= 0x5a) unit |= 0x20;
    if (unit == 0x2f || unit == 0x3a) unit = 0x2e;
    tokens += String.fromCharCode(unit == 0x2e || isTokenUnit(unit) ? unit : 0x5f);
    if (i == 255) break;
  }
  // The last token may not be this one.
  return tokens == "result" || tokens.endsWith(".result") ? tokens + "_" : tokens;
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
    if (!isTokenUnit(unit)) return false;
  }
  return tokens <= 8 && start < text.length && text.substring(start) != "result";
}

function isTokenUnit(unit: i32): bool {
  return (unit >= 0x61 && unit <= 0x7a) || (unit >= 0x30 && unit <= 0x39) || unit == 0x5f || unit == 0x2d;
}
