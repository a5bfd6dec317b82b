import { field, JsonWriter, parseDecimal, textField } from "gtpack";
import { instantText } from "./instant";

/** What is posted, and as what. */
export class Message {
  constructor(public contentType: string, public body: string) {}
}

/** `event`: as the operation's schema has it. `format`: one of the three. */
export function messageOf(event: string, format: string): Message {
  if (format == "event") return new Message("application/json", event);
  const type = textField(event, "event_type");
  const timestamp = field(event, "timestamp");
  const payload = field(event, "payload");
  const isCloudEvent = format == "cloudevents";
  const writer = new JsonWriter(event.length + 256);
  if (isCloudEvent) {
    const id = textField(event, "id");
    const source = textField(event, "source");
    writer.raw('{"specversion":"1.0","id":');
    writer.text(id === null ? "" : id);
    writer.raw(',"source":');
    writer.text(source === null || source.length == 0 ? "gtpack" : source);
    writer.raw(',"type":');
  } else {
    writer.raw('{"type":');
  }
  writer.text(type === null ? "" : type);
  if (timestamp !== null) {
    writer.raw(isCloudEvent ? ',"time":' : ',"timestamp":');
    writer.text(instantText(parseDecimal(timestamp)));
  }
  if (isCloudEvent) writer.raw(',"datacontenttype":"application/json"');
  writer.raw(',"data":');
  writer.raw(payload === null ? "null" : payload);
  writer.raw("}");
  return new Message(isCloudEvent ? "application/cloudevents+json" : "application/json", writer.toString());
}
