/** Turns any HTTP request into an event, or a body that is a list into as many. */
import { ArrayWalker, decimal, EventDraft, IngestRequest, outcome, problem, Response } from "gtpack";
import { binary, CloudEvent, structured } from "./cloud-event";
import { wrapped } from "./envelope";
import { chooseEventType, valueOf } from "./event-type";
import { handshake } from "./handshake";
import { payloadOf } from "./payload";
import { presetOf, Rules, rulesOf } from "./preset";
import { replyOf } from "./reply";
import { Settings, settings } from "./settings";

/** What the host allows. */
const MAX_IDEMPOTENCY_KEY: i32 = 1024;
/** The host's default. */
const MAX_BATCH: i32 = 1000;

export function ingest(text: string): string {
  const own = settings();
  const configFault = own.fault;
  if (configFault !== null) return problem("config_invalid", "The provider's config: " + configFault + ".");

  const request = new IngestRequest(text);
  const preset = presetOf(own.preset, request);
  const rules: Rules | null = preset === null ? null : rulesOf(preset);
  const formField: string | null = rules === null ? null : rules.formField;
  const payload = payloadOf(request, formField);
  if (payload.faultCode !== null) return problem(<string>payload.faultCode, payload.faultMessage);

  const asked = handshake(request, own, preset, payload.json);
  if (asked !== null) return asked;

  const maker = new Maker(request, own, rules, preset == "cloudevents");
  const fault = isBatch(request, own, preset, payload.json) ? maker.addAll(payload.json) : maker.add(payload.json, -1);
  if (fault !== null) return fault;
  const template = own.response;
  const reply: Response | null = template === null ? null : replyOf(template, request, maker.eventType, payload.json);
  return outcome(maker.events, reply);
}

/** A list is many events where the config says so, and where CloudEvents say so themselves. */
function isBatch(request: IngestRequest, own: Settings, preset: string | null, json: string): bool {
  let at = 0;
  while (at < json.length && json.charCodeAt(at) <= 0x20) at++;
  if (json.charCodeAt(at) != 0x5b) return false;
  if (own.batch) return true;
  const type = request.header("content-type");
  return preset == "cloudevents" && type !== null && type.toLowerCase().startsWith("application/cloudevents-batch+json");
}

/** Makes the events of one request. */
class Maker {
  events: EventDraft[] = [];
  /** Of the last one. */
  eventType: string = "";

  constructor(
    private request: IngestRequest,
    private own: Settings,
    private rules: Rules | null,
    private isCloudEvents: bool,
  ) {}

  /** @returns what is wrong, as the call returns it; null for nothing */
  addAll(json: string): string | null {
    const walker = new ArrayWalker(json);
    let index = 0;
    while (walker.next()) {
      if (index == MAX_BATCH) return problem("batch_too_long", "The list was expected to have at most 1000 elements, got more.");
      const fault = this.add(walker.raw(), index++);
      if (fault !== null) return fault;
    }
    return null;
  }

  /** `index`: of an element of a list; -1 for a body that is one event. */
  add(json: string, index: i32): string | null {
    const own = this.own;
    const rules = this.rules;
    let cloud: CloudEvent | null = null;
    if (this.isCloudEvents) {
      const inHeaders = binary(this.request, json);
      cloud = inHeaders === null ? structured(json) : inHeaders;
      if (cloud === null) {
        return problem(
          "cloudevent_invalid",
          "A CloudEvent 1.0 was expected, with specversion, type, source and id" + place(index) + ", got something else.",
        );
      }
    }
    const cloudType: string | null = cloud === null ? null : cloud.type;
    const choice = chooseEventType(this.request, own, rules, json, cloudType);
    const typeFault = choice.fault;
    if (typeFault !== null) return problem("event_type_invalid", typeFault + place(index));

    const key = this.keyOf(json, index, cloud);
    if (key !== null && key.length > MAX_IDEMPOTENCY_KEY) return keyFault(this.request, key, index);
    const payload = cloud === null ? json : cloud.payload;
    const envelope = own.envelope;
    const event = new EventDraft(envelope === null ? payload : wrapped(payload, this.request, envelope));
    if (cloud !== null) event.metadata = cloud.metadata;
    event.eventType = choice.eventType;
    event.idempotencyKey = key;
    this.eventType = choice.eventType;
    this.events.push(event);
    return null;
  }

  /** What tells this delivery from others, by the config, by the sender's own rules, or by the header that any sender may set. */
  private keyOf(json: string, index: i32, cloud: CloudEvent | null): string | null {
    const source = this.own.idFrom;
    const rules = this.rules;
    let header: string | null = null;
    let path: string | null = null;
    if (source !== null) {
      header = source.header;
      path = source.path;
    } else if (cloud !== null) {
      return cloud.key;
    } else if (rules !== null) {
      header = rules.idHeader;
      path = rules.idPath;
    }
    const said = valueOf(this.request, header, path, json);
    // A path names the element itself.
    if (said !== null && header === null) return said;
    const key = said !== null ? said : valueOf(this.request, "idempotency-key", null, json);
    return key === null || index < 0 ? key : key + "/" + decimal(index);
  }
}

function keyFault(request: IngestRequest, key: string, index: i32): string {
  const isHeader = request.header("idempotency-key") == key;
  return problem(
    "idempotency_key_invalid",
    (isHeader ? "The header idempotency-key" : "What tells one delivery from the next") +
      place(index) +
      " was expected to be at most 1024 characters long, got " +
      decimal(key.length) +
      ".",
  );
}

function place(index: i32): string {
  return index < 0 ? "" : " (element " + decimal(index) + " of the list)";
}
