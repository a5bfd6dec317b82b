import { IngestRequest } from "gtpack";

/** What senders of one kind have in common: where they say what happened, and which delivery it is. */
export class Rules {
  typeHeader: string | null = null;
  typePath: string | null = null;
  idHeader: string | null = null;
  idPath: string | null = null;
  prefix: string = "";
  /** A form's field that holds the JSON, for senders that can be told to send forms. */
  formField: string | null = null;
}

export const PRESETS: string = "github, stripe, shopify, slack, standard-webhooks, cloudevents, by-signature";

export function isPreset(name: string): bool {
  return name == "by-signature" || name == "cloudevents" || rulesOf(name) !== null;
}

/** The preset that a request is read by: the config's, or the one of the scheme that its signature held by. */
export function presetOf(configured: string | null, request: IngestRequest): string | null {
  return configured == "by-signature" ? request.verified : configured;
}

/** Null for no preset, and for one that says nothing of these things. */
export function rulesOf(name: string): Rules | null {
  const rules = new Rules();
  if (name == "github") {
    // docs.github.com/en/webhooks/webhook-events-and-payloads
    rules.typeHeader = "x-github-event";
    rules.idHeader = "x-github-delivery";
    rules.prefix = "github.";
    rules.formField = "payload";
  } else if (name == "stripe") {
    // docs.stripe.com/webhooks
    rules.typePath = "type";
    rules.idPath = "id";
    rules.prefix = "stripe.";
  } else if (name == "shopify") {
    // shopify.dev/docs/apps/build/webhooks/subscribe/https
    rules.typeHeader = "x-shopify-topic";
    rules.idHeader = "x-shopify-webhook-id";
    rules.prefix = "shopify.";
  } else if (name == "slack") {
    // docs.slack.dev/apis/events-api, and /interactivity
    rules.typePath = "event.type";
    rules.idPath = "event_id";
    rules.prefix = "slack.";
    rules.formField = "payload";
  } else if (name == "standard-webhooks") {
    // github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md
    rules.typePath = "type";
    rules.idHeader = "webhook-id";
  } else {
    return null;
  }
  return rules;
}
