/** All that a provider in AssemblyScript needs: `import { IngestRequest, EventDraft, outcome, problem } from "gtpack";` */
export { decodeBase64, encodeBase64, encodeUtf8 } from "./base64";
export { bus } from "./bus";
export { configJson, configText } from "./config";
export { http, HttpRequest, HttpResponse } from "./http";
export {
  ArrayWalker,
  field,
  isValidJson,
  JsonFault,
  jsonFault,
  JsonWriter,
  MAX_JSON_DEPTH,
  ObjectWalker,
  quote,
  textField,
  unquote,
} from "./json";
export { log } from "./log";
export { EventDraft, ok, outcome, problem, Response } from "./outcome";
export { IngestRequest } from "./request";
export { Problem, Result } from "./result";
export { secrets } from "./secrets";
export { MailReceipt, sendgrid } from "./sendgrid";
export { state } from "./state";
export { asciiLower, decimal, isInteger, parseDecimal } from "./text";
export { Timer, TimerPage, timers } from "./timers";
export { SmsMessage, SmsReceipt, twilio } from "./twilio";
