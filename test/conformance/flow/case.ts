import * as z from 'zod';
import type { Json } from '../../../host/event/json.ts';
import { isJson } from '../../../host/flow/flow-file.ts';

/**
 * A case of the flow language, as the files beside this one hold them: flows, what comes from outside, and all that has to
 * come of it. What a case does not name may not happen: an effect, an answer to a webhook, a line of log.
 */

const json = z.custom<Json>(isJson, 'Any JSON was expected.');

const problem = z.strictObject({ code: z.string(), message: z.string(), retryable: z.boolean() });

/** `nothing`: no answer comes. */
const effectAnswer = z.union([
  z.strictObject({ problem }),
  z.strictObject({ nothing: z.literal(true) }),
  z.strictObject({ output: json }),
]);

const httpAnswer = z.union([
  z.strictObject({ problem }),
  z.strictObject({ nothing: z.literal(true) }),
  z.strictObject({
    status: z.number().optional(),
    headers: z.record(z.string(), z.string()).optional(),
    /** A text as it is; all else as JSON, with its content type. */
    body: json.optional(),
    body_encoding: z.enum(['utf8', 'base64']).optional(),
  }),
]);

/** An entry of the journal. `next`, `output`, `effects` and `error.message` (a part of it) are held where they are given. */
const entry = z.strictObject({
  node: z.string(),
  status: z.string(),
  frame: z.string().optional(),
  next: z.string().nullable().optional(),
  output: json.optional(),
  error: z.string().optional(),
  tries: z.array(z.string()).optional(),
  notes: z.array(z.string()).optional(),
  waits: z.number().optional(),
  effects: z.number().optional(),
});

const result = z.union([
  z.strictObject({ output: json }),
  z.strictObject({
    code: z.string(),
    /** A part of it. */
    message: z.string().optional(),
    node: z.string().nullable().optional(),
    retryable: z.boolean().optional(),
    retry_after_ms: z.number().optional(),
  }),
]);

const refusal = z.strictObject({
  code: z.string().optional(),
  file: z.string().optional(),
  line: z.number(),
  column: z.number().optional(),
  /** Parts of them. */
  message: z.string(),
  cure: z.string().optional(),
});

const nodes = z.array(z.unknown());

const flowCase = z.strictObject({
  title: z.string(),
  /** The whole file `main.ygtc`; or only its nodes, of which any event starts the first. */
  flow: z.string().optional(),
  nodes: nodes.optional(),
  /** Other flows of the tenant by name: whole files, or nodes. */
  flows: z.record(z.string(), z.union([z.string(), nodes])).optional(),
  scripts: z.record(z.string(), z.string()).optional(),
  /** The flows are a pack's, with a provider of its own called `worker`. */
  in_pack: z.boolean().optional(),

  event: z
    .strictObject({
      event_type: z.string().optional(),
      payload: json.optional(),
      headers: z.record(z.string(), z.string()).optional(),
      /** Of a tick. */
      schedule: z.string().optional(),
      hops: z.number().optional(),
    })
    .optional(),
  /** Answers to requests: in their order, or by `METHOD URL`. */
  http: z.union([z.array(httpAnswer), z.record(z.string(), httpAnswer)]).optional(),
  /** Answers of providers, in the order of the calls. */
  calls: z.array(effectAnswer).optional(),
  /** Answers of the bus to what is published, in order; it is stored once they are used up. */
  bus: z
    .array(z.union([z.strictObject({ problem }), z.strictObject({ stored: z.literal(true) })]))
    .optional(),
  /** Answers of the bus to what is recorded, in order. */
  records: z
    .array(z.union([z.strictObject({ problem }), z.strictObject({ stored: z.literal(true) })]))
    .optional(),
  /** The cell ends while it waits for these exchanges with the host, and the event comes again. The first is 1. */
  dies: z.array(z.number()).optional(),
  limits: z.record(z.string(), z.number()).optional(),
  /** Events that come, one after the other, while the run waits for one. */
  arrives: z.array(z.strictObject({ event_type: z.string(), payload: json })).optional(),

  /** `flow/trigger` of every run that the event starts. */
  starts: z.array(z.string()).optional(),
  result: result.optional(),
  journal: z.array(entry).optional(),
  /** Requests: of each, what is given of `method`, `url`, `headers`, `body`, `auth`, `timeout_ms`. */
  sent: z.array(z.record(z.string(), json)).optional(),
  /** Calls of providers: `provider.operation`, and the input. */
  called: z.array(z.record(z.string(), json)).optional(),
  published: z.array(z.record(z.string(), json)).optional(),
  answer: z
    .strictObject({
      status: z.number(),
      headers: z.record(z.string(), z.string()).optional(),
      body: json.optional(),
    })
    .optional(),
  logged: z.array(z.string()).optional(),
  /** What keeps the flows from being loaded. */
  refused: z.array(refusal).optional(),
});

export type FlowCase = z.infer<typeof flowCase>;

export const caseFile = z.array(flowCase).min(1);
