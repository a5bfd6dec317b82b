/** The twin of ../../vendors-ts/provider.ts: sends what its input says through SendGrid or Twilio, and shows what they gave. */
import { JsonWriter, ok, problem, quote, sendgrid, SmsMessage, textField, field, twilio } from "gtpack";

export function invoke(operation: string, input: string): string {
  if (operation == "sendgrid_send") {
    const result = sendgrid.send(input);
    const failure = result.problem;
    if (failure !== null) return failure.envelope();
    const id = result.value;
    return ok(id === null ? "null" : quote(id));
  }
  if (operation == "twilio_send") {
    const to = textField(input, "to");
    const body = textField(input, "body");
    const message = new SmsMessage(to === null ? "" : to, body === null ? "" : body);
    message.from = textField(input, "from");
    message.messagingServiceSid = textField(input, "messaging_service_sid");
    message.statusCallback = field(input, "status_callback") == "true";
    const result = twilio.send(message);
    const failure = result.problem;
    if (failure !== null) return failure.envelope();
    const writer = new JsonWriter();
    writer.raw('{"sid":');
    writer.text(result.value.sid);
    writer.raw(',"status":');
    writer.text(result.value.status);
    writer.raw("}");
    return ok(writer.toString());
  }
  return problem("operation_unknown", operation);
}
