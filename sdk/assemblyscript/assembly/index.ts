/** All that a provider in AssemblyScript needs: `import { IngestRequest, EventDraft, outcome, problem } from "gtpack";` */
export { configJson, configText } from "./config";
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
export { asciiLower, decimal, parseDecimal } from "./text";
