import { errorMessage, GtpackError } from '../../errors.ts';
import type { Json } from '../../event/json.ts';
import { type JsonBounds, parseBoundedJson } from '../../event/json-bounds.ts';
import { ANY_SUCCESS, expectedText, isExpected } from '../expected-status.ts';
import type { HttpNode, StatusRange } from '../flow.ts';
import { parseRetryAfterMs } from '../retry.ts';
import { compileValue } from './compile.ts';
import { type HttpParts, httpRequest } from './http-request.ts';
import type { CompiledNode, NodeTools } from './node.ts';

/** `send` of the interface `http` of sdk/wit, as the broker answers it. */
interface HttpAnswerDocument {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly body_encoding: 'utf8' | 'base64';
}

/** Sends one HTTP request by way of the broker; the output is `{ status, headers, body }`. */
export function compileHttp(node: HttpNode, tools: NodeTools): CompiledNode {
  const { expect = ANY_SUCCESS, statusIsRead = false, timeoutMs, auth, ...written } = node.config;
  const template = compileValue(written, tools);
  const timeout = Math.min(timeoutMs ?? tools.effectWallMs, tools.effectWallMs);
  return {
    run(step) {
      const parts = step.guard(() => template.render(step.scope.cel)) as unknown as HttpParts;
      const request = httpRequest(parts, {
        auth,
        // The request is to end with its node.
        timeoutMs: Math.max(1, Math.min(timeout, step.leftMs())),
      });
      const output = (answer: string): string => {
        const response = JSON.parse(answer) as HttpAnswerDocument;
        // What the flow decides on is the last answer: of a busy server's, that of the last try.
        const isAnswer = statusIsRead && (step.isLastTry || !isPassing(response.status));
        if (!isAnswer && !isExpected(response.status, expect)) {
          throw unexpected(request.target, response, expect, step.host.now());
        }
        return responseJson(response, tools.bounds, request.target);
      };
      const args = [request.document];
      return {
        effect: { ask: { kind: 'broker', capability: 'http', fn: 'send', args, events: [] }, output },
      };
    },
  };
}

/** `application/json`, `text/json`, and whatever is written as JSON (RFC 6839). */
const JSON_TYPE = /^(?:application|text)\/json\s*(?:;|$)|^[^;\s]+\+json\s*(?:;|$)/i;

function responseJson(
  { status, headers, body, body_encoding }: HttpAnswerDocument,
  bounds: JsonBounds,
  target: string,
): string {
  if (body_encoding === 'base64') return JSON.stringify({ status, headers, body, body_encoding });
  const isJson = JSON_TYPE.test(headers['content-type'] ?? '');
  return JSON.stringify({ status, headers, body: isJson ? parseBody(body, bounds, target) : body });
}

/** An answer of HEAD or of status 204 has a type and no body. */
function parseBody(body: string, bounds: JsonBounds, target: string): Json {
  if (body === '') return null;
  try {
    return parseBoundedJson(body, bounds, `The body that ${target} was answered with`);
  } catch (error) {
    if (!(error instanceof GtpackError) || error.code !== 'json_invalid') throw error;
    throw new GtpackError('http_response_invalid', errorMessage(error), { cause: error });
  }
}

/** Another attempt may be answered otherwise (RFC 9110, RFC 8470, RFC 6585). */
const PASSING: ReadonlySet<number> = new Set([408, 425, 429]);

function isPassing(status: number): boolean {
  return status >= 500 || PASSING.has(status);
}

function unexpected(
  target: string,
  { status, headers }: HttpAnswerDocument,
  expected: readonly StatusRange[],
  now: number,
): GtpackError {
  const retryAfterMs = parseRetryAfterMs(headers['retry-after'], now);
  return new GtpackError(
    'http_status_unexpected',
    `${target} was answered with status ${status}; ${expectedText(expected)} was expected.`,
    {
      retryable: isPassing(status),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    },
  );
}
