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
      if (sent.text !== '' && BODILESS.has(answer.status)) {
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
    if (!HEADER_VALUE.test(text)) {
      throw invalid(
        `headers.${name}: a text of visible ASCII was expected; ${JSON.stringify(text.slice(0, 80))} came.`,
      );
    }
    const lower = name.toLowerCase();
    if (HOST_ANSWER_HEADERS.has(lower)) throw invalid(`headers.${name}: the host sets this header itself.`);
    return [lower, text];
  });
  return Object.fromEntries(checked);
}

function invalid(message: string): GtpackError {
  return new GtpackError('flow_response_invalid', message);
}
