/** Interfaces as the format in the field has them, by the shapes of their functions. */

const CONTEXT_FIELDS = [
  'env: string, tenant: string, tenant-id: string, team: option<string>, team-id: option<string>',
  'user: option<string>, user-id: option<string>, trace-id: option<string>',
  'correlation-id: option<string>, attributes: list<tuple<string, string>>, session-id: option<string>',
  'flow-id: option<string>, node-id: option<string>, provider-id: option<string>',
  'deadline-ms: option<s64>, attempt: u32, idempotency-key: option<string>',
  'impersonation: option<impersonation>',
];

/** The types that most interfaces share. @param isTranslated with `i18n-id` in the context, as later ones have it */
export function typesWit(isTranslated: boolean): string {
  const fields = isTranslated ? [...CONTEXT_FIELDS, 'i18n-id: option<string>'] : CONTEXT_FIELDS;
  return `package greentic:interfaces-types@0.1.0;
interface types {
  record impersonation { actor-id: string, reason: option<string> }
  record tenant-ctx { ${fields.join(', ')} }
  record host-error { code: string, message: string }
  record span-context { tenant: string, session-id: option<string>, flow-id: string, node-id: option<string>, provider: string, start-ms: option<s64>, end-ms: option<s64> }
}`;
}

export const SCHEMA_CORE = `package greentic:provider-schema-core@1.0.0;
interface schema-core-api {
  describe: func() -> list<u8>;
  validate-config: func(config-json: list<u8>) -> list<u8>;
  healthcheck: func() -> list<u8>;
  invoke: func(op: string, input-json: list<u8>) -> list<u8>;
}`;

const HTTP_RECORDS = `
  record request { method: string, url: string, headers: list<tuple<string, string>>, body: option<list<u8>> }
  record response { status: u16, headers: list<tuple<string, string>>, body: option<list<u8>> }`;

/** The shapes that one version of the interface has had, and the one after. */
export const HTTP_CLIENTS = {
  plain: `package greentic:http@1.0.0;
interface http-client {
  use greentic:interfaces-types/types@0.1.0.{tenant-ctx, host-error};${HTTP_RECORDS}
  send: func(req: request, ctx: option<tenant-ctx>) -> result<response, host-error>;
}`,
  options: `package greentic:http@1.0.0;
interface http-client {
  use greentic:interfaces-types/types@0.1.0.{tenant-ctx, host-error};${HTTP_RECORDS}
  record options { timeout-ms: option<u32>, follow-redirects: option<bool> }
  send: func(req: request, opts: option<options>, ctx: option<tenant-ctx>) -> result<response, host-error>;
}`,
  later: `package greentic:http@1.1.0;
interface http-client {
  use greentic:interfaces-types/types@0.1.0.{tenant-ctx, host-error};${HTTP_RECORDS}
  record request-options { timeout-ms: option<u32>, allow-insecure: option<bool>, follow-redirects: option<bool> }
  send: func(req: request, opts: option<request-options>, ctx: option<tenant-ctx>) -> result<response, host-error>;
}`,
  client: `package greentic:http@1.0.0;
interface client {
  record host-error { code: string, message: string }${HTTP_RECORDS}
  send: func(req: request) -> result<response, host-error>;
}`,
} as const;

/** @param errors of the enum */
export function secretsWit(errors: readonly string[]): string {
  return `package greentic:secrets-store@1.0.0;
interface secrets-store {
  enum secrets-error { ${errors.join(', ')} }
  get: func(key: string) -> result<option<list<u8>>, secrets-error>;
}`;
}

export const STATE = `package greentic:state@1.0.0;
interface state-store {
  use greentic:interfaces-types/types@0.1.0.{tenant-ctx, host-error};
  enum op-ack { ok }
  read: func(key: string, ctx: option<tenant-ctx>) -> result<list<u8>, host-error>;
  write: func(key: string, bytes: list<u8>, ctx: option<tenant-ctx>) -> result<op-ack, host-error>;
  delete: func(key: string, ctx: option<tenant-ctx>) -> result<op-ack, host-error>;
}`;

export const LOGGER = `package greentic:telemetry@1.0.0;
interface logger-api {
  use greentic:interfaces-types/types@0.1.0.{tenant-ctx, span-context, host-error};
  enum op-ack { ok }
  log: func(span: span-context, fields: list<tuple<string, string>>, ctx: option<tenant-ctx>) -> result<op-ack, host-error>;
}`;

/** The records that one version's context has been. */
export const NODE_CONTEXTS = {
  short: `record tenant-ctx { tenant: string, team: option<string>, user: option<string>, trace-id: option<string>, correlation-id: option<string>, deadline-unix-ms: option<u64>, attempt: u32, idempotency-key: option<string> }
  record exec-ctx { tenant: tenant-ctx, flow-id: string, node-id: option<string> }`,
  translated: `record tenant-ctx { tenant: string, team: option<string>, user: option<string>, trace-id: option<string>, i18n-id: option<string>, correlation-id: option<string>, deadline-unix-ms: option<u64>, attempt: u32, idempotency-key: option<string> }
  record exec-ctx { tenant: tenant-ctx, i18n-id: option<string>, flow-id: string, node-id: option<string> }`,
  long: `record impersonation { actor-id: string, reason: option<string> }
  record tenant-ctx { ${[...CONTEXT_FIELDS, 'i18n-id: option<string>'].join(', ')} }
  record exec-ctx { tenant: tenant-ctx, i18n-id: option<string>, flow-id: string, node-id: option<string> }`,
} as const;

/** @param version of the package */
export function nodeWit(version: string, context: keyof typeof NODE_CONTEXTS): string {
  return `package greentic:component@${version};
interface node {
  ${NODE_CONTEXTS[context]}
  record node-error { code: string, message: string, retryable: bool, backoff-ms: option<u64>, details: option<string> }
  variant invoke-result { ok(string), err(node-error) }
  variant stream-event { data(string), progress(u8), done, error(string) }
  get-manifest: func() -> string;
  invoke: func(ctx: exec-ctx, op: string, input: string) -> invoke-result;
  invoke-stream: func(ctx: exec-ctx, op: string, input: string) -> list<stream-event>;
}`;
}

export const NODE_CBOR = `package greentic:component@0.6.0;
interface node {
  record tenant-ctx { tenant-id: string, team-id: option<string>, user-id: option<string>, env-id: string, trace-id: string, correlation-id: string, deadline-ms: u64, attempt: u32, idempotency-key: option<string>, i18n-id: string }
  record invocation-envelope { ctx: tenant-ctx, flow-id: string, step-id: string, component-id: string, attempt: u32, payload-cbor: list<u8>, metadata-cbor: option<list<u8>> }
  record invocation-result { ok: bool, output-cbor: list<u8>, output-metadata-cbor: option<list<u8>> }
  record node-error { code: string, message: string, retryable: bool, backoff-ms: option<u64>, details: option<list<u8>> }
  record op { name: string, summary: option<string> }
  record component-descriptor { name: string, version: string, ops: list<op> }
  describe: func() -> component-descriptor;
  invoke: func(op: string, envelope: invocation-envelope) -> result<invocation-result, node-error>;
}`;

export const RUNTIME_CBOR = `package greentic:component@0.6.1;
interface descriptor { describe: func() -> list<u8>; }
interface runtime { invoke: func(op: string, input-cbor: list<u8>) -> list<u8>; }`;

export const RUN_CBOR = `package greentic:component@0.6.0;
interface component-descriptor { describe: func() -> list<u8>; }
interface component-runtime {
  record run-result { output: list<u8>, new-state: list<u8> }
  run: func(input: list<u8>, state: list<u8>) -> run-result;
}`;
