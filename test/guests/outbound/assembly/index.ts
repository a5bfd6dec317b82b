// Sends the HTTP request that stands in its request's body, and publishes what came back as `outbound.answered`.
import { EventDraft, IngestRequest, outcome } from "gtpack";

// @ts-ignore: decorator
@external("gtpack:plugin/http@0.1.0", "send")
declare function send(request: string): string;
// @ts-ignore: decorator
@external("gtpack:plugin/bus@0.1.0", "publish")
declare function publish(events: string): string;

export function ingest(text: string): string {
  const request = new IngestRequest(text);
  const answer = send(request.body);
  const published = publish('[{"event_type":"outbound.answered","payload":' + answer + "}]");
  return outcome([new EventDraft(published)]);
}
