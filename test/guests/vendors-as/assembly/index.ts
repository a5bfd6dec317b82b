/** The twin of ../../vendors-ts/provider.ts: sends what its input says through SendGrid or Twilio, and shows what they gave. */
import {
  ArrayWalker,
  field,
  JsonWriter,
  ok,
  parseDecimal,
  problem,
  quote,
  sendgrid,
  SmsMessage,
  textField,
  twilio,
  unquote,
} from "gtpack";

export function invoke(operation: string, input: string): string {
  if (operation == "sendgrid_send") {
    const result = sendgrid.send(input);
    const failure = result.problem;
    if (failure !== null) return failure.envelope();
    const receipt = result.value;
    const id = receipt.messageId;
    return ok('{"status":' + receipt.status.toString() + ',"message_id":' + (id === null ? "null" : quote(id)) + "}");
  }
  if (operation == "twilio_send") {
    const to = textField(input, "to");
    const message = new SmsMessage(to === null ? "" : to, textField(input, "body"));
    message.from = textField(input, "from");
    message.messagingServiceSid = textField(input, "messaging_service_sid");
    const media = field(input, "media_urls");
    if (media !== null) {
      const walker = new ArrayWalker(media);
      while (walker.next()) message.mediaUrls.push(unquote(walker.raw()));
    }
    const callback = field(input, "status_callback");
    if (callback == "true") message.statusCallback = true;
    else message.statusCallbackUrl = textField(input, "status_callback");
    const validity = field(input, "validity_period");
    if (validity !== null) message.validityPeriod = <i32>parseDecimal(validity);
    message.sendAt = textField(input, "send_at");
    message.contentSid = textField(input, "content_sid");
    message.contentVariables = field(input, "content_variables");
    const result = twilio.send(message);
    const failure = result.problem;
    if (failure !== null) return failure.envelope();
    const receipt = result.value;
    const writer = new JsonWriter();
    writer.raw('{"sid":');
    writer.text(receipt.sid);
    writer.raw(',"status":');
    writer.text(receipt.status);
    writer.raw(',"num_segments":');
    writer.raw(receipt.numSegments == -1 ? "null" : receipt.numSegments.toString());
    writer.raw(',"num_media":');
    writer.raw(receipt.numMedia == -1 ? "null" : receipt.numMedia.toString());
    writer.raw(',"error_code":');
    writer.raw(receipt.errorCode == 0 ? "null" : receipt.errorCode.toString());
    writer.raw(',"messaging_service_sid":');
    const service = receipt.messagingServiceSid;
    writer.raw(service === null ? "null" : quote(service));
    writer.raw("}");
    return ok(writer.toString());
  }
  return problem("operation_unknown", operation);
}
