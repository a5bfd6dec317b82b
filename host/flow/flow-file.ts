import * as z from 'zod';
import type { Json, JsonObject } from '../event/json.ts';
import { secretName } from '../grant/secret-name.ts';
import { duration } from '../written/readers.ts';
import { scheduleKeys } from '../written/schedule.ts';
import { closedObject } from '../yaml.ts';
import { expectShape } from './expect-shape.ts';
import { isCelName, SCOPE_NAMES } from './expression.ts';
import { HTTP_RESPONSE, MAX_WAIT_MS, type NodeType, ON_UNKNOWN } from './flow.ts';

/**
 * The shapes of a `.ygtc` file, part by part: `load.ts` checks each on its own, so that one part's faults hide none of
 * another's. Targets, expressions and templates are texts here.
 */

const HOUR_MS = 60 * 60_000;
const MAX_NODES = 1000;
const MAX_TRIGGERS = 100;

const flowName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/,
    'A name is made of letters, digits, _ and -, starts with a letter or digit, and is at most 63 long.',
  );

const nodeId = z
  .string()
  .regex(
    /^[A-Za-z_][A-Za-z0-9_-]{0,62}$/,
    'An id is made of letters, digits, _ and -, starts with a letter or _, and is at most 63 long.',
  )
  .refine((id) => id !== 'constructor' && id !== '__proto__' && id !== 'prototype', 'This id is reserved.');

const outputName = z
  .string()
  .regex(
    /^[A-Za-z_][A-Za-z0-9_]{0,62}$/,
    'An output name is made of letters, digits and _, starts with a letter or _, and is at most 63 long.',
  )
  .refine(
    (name) => !isCelName(name) && name !== HTTP_RESPONSE && !SCOPE_NAMES.some((taken) => taken === name),
    'This name already means something in expressions.',
  );

const target = z.string().min(1, 'A target is the id of a node, or respond or end.');
const code = z.string();

/** Any JSON; YAML's `.inf` and `.nan` are none. Required. */
const json = z.custom<Json>(isJson, 'Any JSON was expected.');

export function isJson(value: unknown): value is Json {
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return true;
  return typeof value === 'object' && Object.values(value).every(isJson);
}

export const flowShape = closedObject({
  name: flowName,
  version: z.string(),
  description: z.string().optional(),
  nodes: z.array(z.unknown()).min(1, 'A flow has at least one node.').max(MAX_NODES),
  triggers: z
    .array(z.unknown())
    .min(1, 'A flow has at least one trigger, or it never runs.')
    .max(MAX_TRIGGERS),
});

export const nodeShape = closedObject({
  id: nodeId,
  type: z.string(),
  config: z.unknown().optional(),
  next: target.optional(),
  to: target.optional(),
  when: code.optional(),
  output: outputName.optional(),
  retry: closedObject({
    attempts: z
      .number()
      .int('A whole number was expected.')
      .min(2, 'At least 2 were expected: the first try counts.')
      .max(20, 'At most 20 are allowed.'),
    backoff: duration(1, HOUR_MS).optional(),
    max_backoff: duration(1, 24 * HOUR_MS).optional(),
  }).optional(),
  timeout: duration(1, 24 * HOUR_MS).optional(),
  on_error: target.optional(),
  on_unknown: z.enum(ON_UNKNOWN, { error: '"repeat" or "fail" was expected.' }).optional(),
});

const branchCondition = closedObject({
  expression: code,
  next: target.optional(),
  to: target.optional(),
});

const responseStatus = z.custom<number | string>(
  (status) => isStatus(status) || (typeof status === 'string' && status.includes('{{')),
  'A whole number from 200 to 599 was expected, or a {{ template }} that gives one.',
);

export function isStatus(status: unknown): status is number {
  return typeof status === 'number' && Number.isInteger(status) && status >= 200 && status <= 599;
}

function isTemplated(text: string): boolean {
  return text.includes('{{');
}

const METHOD = /^[A-Z][A-Z0-9-]{0,31}$/;

/** RFC 9110, section 5.6.2. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Zod's own record drops a key named `__proto__` without a word. */
function mapOf(
  isKey: (key: string) => boolean,
  keyFault: string,
  isValue: (value: unknown) => boolean,
  valueFault: string,
): z.ZodType<JsonObject> {
  return z
    .custom<JsonObject>(
      (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
      'A map was expected.',
    )
    .meta({ type: 'object' })
    .superRefine((map, context) => {
      for (const [key, value] of Object.entries(map)) {
        const message = isKey(key) ? isValue(value) || valueFault : keyFault;
        if (message !== true) context.addIssue({ code: 'custom', path: [key], message });
      }
    });
}

function isScalar(value: unknown): boolean {
  return isJson(value) && (typeof value !== 'object' || value === null);
}

const A_SCALAR = 'A text, a number, true, false or null was expected.';
const MAX_TIMEOUT_MS = 5 * 60_000;

export const callShape = closedObject({ flow: flowName, input: json.optional() });

const errorPolicy = z.enum(['fail', 'collect'], { error: '"fail" or "collect" was expected.' });

export const configShapes = {
  script: closedObject({ script: z.string().min(1, 'The script is empty.') }),
  branch: closedObject({
    conditions: z.array(branchCondition).min(1, 'A branch has at least one condition.').max(100),
    default: target.optional(),
  }),
  transform: closedObject({ value: json }),
  http: closedObject({
    method: z
      .string()
      .refine(
        (method) => isTemplated(method) || METHOD.test(method),
        'A method in capitals was expected, such as "POST".',
      )
      .optional(),
    url: z.string().min(1, 'The URL is empty.'),
    headers: mapOf(
      (name) => HEADER_NAME.test(name),
      'This is no name of an HTTP header.',
      isScalar,
      A_SCALAR,
    ).optional(),
    query: mapOf(
      () => true,
      '',
      (value) => isScalar(value) || (Array.isArray(value) && value.every(isScalar)),
      `${A_SCALAR.slice(0, -1)}, or a list of them.`,
    ).optional(),
    body: json.optional(),
    auth: secretName.optional(),
    expect: expectShape.optional(),
    timeout: duration(1, MAX_TIMEOUT_MS).optional(),
  }),
  http_response: closedObject({
    status: responseStatus.optional(),
    headers: z
      .record(z.string().regex(HEADER_NAME, 'This is no name of an HTTP header.'), z.string())
      .optional(),
    body: json.optional(),
  }),
  /** All other keys are the action's own. */
  event: z.looseObject({ provider: z.string(), action: z.string() }),
  publish: closedObject({ event_type: z.string(), payload: json, id: z.string().optional() }),
  flow: callShape,
  async: callShape,
  foreach: closedObject({
    items: json,
    do: target.optional(),
    flow: flowName.optional(),
    input: json.optional(),
    concurrency: z
      .number()
      .int('A whole number was expected.')
      .min(1, 'At least 1 was expected.')
      .max(32, 'At most 32 are allowed.')
      .optional(),
    errors: errorPolicy.optional(),
  }),
  parallel: closedObject({
    branches: mapOf(
      (name) => /^[A-Za-z_][A-Za-z0-9_]{0,62}$/.test(name),
      'A name is made of letters, digits and _, starts with a letter or _, and is at most 63 long.',
      isJson,
      'The id of a node, or { flow, input }, was expected.',
    ).refine((branches) => Object.keys(branches).length >= 1 && Object.keys(branches).length <= 32, {
      error: '1 to 32 branches were expected.',
    }),
    errors: errorPolicy.optional(),
  }),
  wait: closedObject({
    duration: duration(1, MAX_WAIT_MS).optional(),
    until: z.union([z.string(), z.number()]).optional(),
    event: z.string().optional(),
    when: code.optional(),
    timeout: duration(1, MAX_WAIT_MS).optional(),
  }),
  component: closedObject({ provider: z.string().optional(), operation: z.string(), input: json.optional() }),
} satisfies Record<NodeType, z.ZodType>;

export const triggerTypes = ['event', 'timer', 'call'] as const;

export const triggerShapes = {
  event: closedObject({ type: z.literal('event'), event_type: z.string(), when: code.optional(), target }),
  call: closedObject({ type: z.literal('call'), target }),
  timer: closedObject({ type: z.literal('timer'), ...scheduleKeys, target }),
};

/** What is wrong with an event trigger's pattern, or undefined. */
export function patternFault(pattern: string): string | undefined {
  if (pattern.length > 128) return `is ${pattern.length} characters long; at most 128 are allowed`;
  const tokens = pattern.split('.');
  if (tokens.length > 8) return `has ${tokens.length} tokens; at most 8 are allowed`;
  for (const [at, token] of tokens.entries()) {
    if (token === '>' && at < tokens.length - 1) return "has a '>' that is not its last token";
    if (token === '*' || token === '>' || /^[a-z0-9_-]+$/.test(token)) continue;
    return token === ''
      ? 'has an empty token'
      : `has the token ${JSON.stringify(token)}; a token is '*', a last '>', or made of a to z, 0 to 9, _ and -`;
  }
  return tokens.at(-1) === 'result' ? "ends in 'result', which no event's type does" : undefined;
}
