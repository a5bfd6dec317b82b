import { IngestRequest, outcome, problem, Response, textField } from "gtpack";
import { Settings } from "./settings";

/**
 * What senders ask before they send: the answer, or null where the request is none of these.
 *
 * @param preset the one that the request is read by
 * @param json the payload
 */
export function handshake(request: IngestRequest, own: Settings, preset: string | null, json: string): string | null {
  if (preset == "slack") {
    // docs.slack.dev/reference/events/url_verification
    if (textField(json, "type") != "url_verification") return null;
    const challenge = textField(json, "challenge");
    if (challenge === null) return problem("handshake_invalid", "challenge: a text was expected; none came.");
    return outcome([], plain(200, challenge));
  }
  if (own.cloudeventsOrigins !== null && request.method == "OPTIONS") return validation(request, own);
  if (own.websubTopics !== null && request.method == "GET") return verification(request, own);
  return null;
}

/** CloudEvents: HTTP 1.1 Web Hooks for Event Delivery 1.0, section 4. Whoever asks to send is told whether it may, and how fast. */
function validation(request: IngestRequest, own: Settings): string | null {
  const origins = own.cloudeventsOrigins;
  const origin = request.header("webhook-request-origin");
  if (origins === null || origin === null) return null;
  const response = new Response(200);
  // Without the header, it is told no.
  if (origins.includes("*") || origins.includes(origin)) {
    response.headers.push("webhook-allowed-origin");
    response.headers.push(origins.includes("*") ? "*" : origin);
    response.headers.push("webhook-allowed-rate");
    response.headers.push(own.cloudeventsRate > 0 ? own.cloudeventsRate.toString() : "*");
    response.headers.push("allow");
    response.headers.push("POST");
  }
  return outcome([], response);
}

/** W3C WebSub, section 5.3: a hub asks whether a subscription is meant. It is for the topics of the config, and for none besides. */
function verification(request: IngestRequest, own: Settings): string | null {
  const topics = own.websubTopics;
  const mode = request.query("hub.mode");
  if (topics === null || mode === null) return null;
  const topic = request.query("hub.topic");
  const challenge = request.query("hub.challenge");
  if (topic === null || !topics.includes(topic)) return outcome([], plain(404, "This topic is not subscribed to here."));
  if (mode == "denied") return outcome([], plain(200, ""));
  if (challenge === null || (mode != "subscribe" && mode != "unsubscribe")) {
    return problem("handshake_invalid", 'hub.mode: "subscribe" or "unsubscribe" was expected, and hub.challenge beside it.');
  }
  return outcome([], plain(200, challenge));
}

/** Text, whatever a sender made of it: a browser that is shown the answer runs nothing. */
function plain(status: i32, body: string): Response {
  const response = new Response(status, body);
  response.headers.push("content-type");
  response.headers.push("text/plain; charset=utf-8");
  return response;
}
