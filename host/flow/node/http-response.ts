import { HOST_ANSWER_HEADERS } from '../../contract.ts';
import { GtpackError } from '../../errors.ts';
import type { Json, JsonObject } from '../../event/json.ts';
import type { HttpResponseNode } from '../flow.ts';
import { compileValue } from './compile.ts';
import type { CompiledNode, NodeTools } from './node.ts';

/** Visible ASCII, spaces and tabs: what every server sends unchanged. A line break would begin another header. */
const HEADER_VALUE = /^[\t\x20-\x7e]*$/;
/** Answers that have no body. */
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304]);

export function isBodiless(status: number): boolean {
  return BODILESS.has(status);
}

/** @param name in lower case @param value undefined where it is not known */
export function answerHeaderFault(name: string, value: string | undefined): string | undefined {
  if (HOST_ANSWER_HEADERS.has(name)) return 'the host sets this header itself';
  if (value === undefined || HEADER_VALUE.test(value)) return undefined;
  return `a text of visible ASCII was expected; ${JSON.stringify(value.slice(0, 80))} came`;
}

/** Answers the waiting webhook; the output is the answer. */
export function compileHttpResponse(node: HttpResponseNode, tools: NodeTools): CompiledNode {
  const status = compileValue(node.config.status ?? 200, tools);
  const headers = compileValue(node.config.headers ?? {}, tools);
  const body = node.config.body === undefined ? undefined : compileValue(node.config.body, tools);
  return {
    run(step) {
      const answer = step.guard(() => ({
        status: checkStatus(status.render(step.scope.cel)),
        headers: checkHeaders(headers.render(step.scope.cel) as JsonObject),
        ...(body === undefined ? {} : { body: body.render(step.scope.cel) }),
      }));
      const sent = bodyOf(answer.body);
      if (sent.text !== '' && isBodiless(answer.status)) {
        throw invalid(`An answer of status ${answer.status} has no body, but one was given.`);
      }
      const type = sent.type === undefined ? {} : { 'content-type': sent.type };
      const output = JSON.stringify(answer);
      step.respond(answer.status, { ...type, ...answer.headers }, sent.text);
      return { output };
    },
  };
}

function bodyOf(body: Json | undefined): { readonly text: string; readonly type?: string } {
  if (body === undefined || body === null) return { text: '' };
  if (typeof body === 'string') return { text: body, type: 'text/plain; charset=utf-8' };
  return { text: JSON.stringify(body), type: 'application/json' };
}

function checkStatus(status: Json): number {
  if (typeof status === 'number' && Number.isInteger(status) && status >= 200 && status <= 599) return status;
  throw invalid(
    `status: a whole number from 200 to 599 was expected; ${JSON.stringify(status).slice(0, 80)} came.`,
  );
}

function checkHeaders(headers: JsonObject): Record<string, string> {
  const checked: [string, string][] = Object.entries(headers).map(([name, value]) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    const lower = name.toLowerCase();
    const fault = answerHeaderFault(lower, text);
    if (fault !== undefined) throw invalid(`headers.${name}: ${fault}.`);
    return [lower, text];
  });
  return Object.fromEntries(checked);
}

function invalid(message: string): GtpackError {
  return new GtpackError('flow_response_invalid', message);
}
