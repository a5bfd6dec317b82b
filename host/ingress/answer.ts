import { HOST_ANSWER_HEADERS } from '../contract.ts';
import { GtpackError } from '../errors.ts';
import { quoted } from '../event/names.ts';
import type { HttpAnswer } from '../sandbox/protocol.ts';

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** RFC 9110, section 5.5: visible characters, space, tab and obs-text; so no CR, LF or NUL. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const MAX_HEADERS = 64;
const MAX_HEADER_CHARACTERS = 16 * 1024;
const MAX_BODY_BYTES = 1024 * 1024;

/**
 * Checks the answer that a guest or a flow made for a sender.
 * @returns its headers as pairs with lower-case names
 * @throws GtpackError `answer_invalid`, naming what is wrong
 */
export function checkedHeaders(answer: HttpAnswer): [name: string, value: string][] {
  const { status } = answer;
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw invalid(`has the status ${quoted(String(status))}; a whole number from 200 to 599 is expected`);
  }
  if (typeof answer.body !== 'string' || Buffer.byteLength(answer.body) > MAX_BODY_BYTES) {
    throw invalid(`has a body that is no text of at most ${MAX_BODY_BYTES} bytes`);
  }
  const pairs: [string, string][] = [];
  const seen = new Set<string>();
  let characters = 0;
  for (const [name, value] of Object.entries(answer.headers)) {
    const key = name.toLowerCase();
    if (!TOKEN.test(name)) throw invalid(`has a header named ${quoted(name)}, which is no header name`);
    if (HOST_ANSWER_HEADERS.has(key)) throw invalid(`sets the header ${key}, which is the host's to set`);
    if (seen.has(key)) throw invalid(`sets the header ${key} twice`);
    if (typeof value !== 'string' || !VALUE.test(value)) {
      throw invalid(`has a header ${key} whose value holds a character that no header value may hold`);
    }
    characters += name.length + value.length;
    if (pairs.length === MAX_HEADERS || characters > MAX_HEADER_CHARACTERS) {
      throw invalid(`has more than ${MAX_HEADERS} headers or ${MAX_HEADER_CHARACTERS} characters of them`);
    }
    seen.add(key);
    pairs.push([key, value]);
  }
  return pairs;
}

function invalid(what: string): GtpackError {
  return new GtpackError('answer_invalid', `The answer made for this request ${what}.`);
}

/** The answer to a webhook whose flow is over and answered nothing: it failed for good, or its cell was ended. */
export function failedAnswer(eventId: string): HttpAnswer {
  const message = `A flow failed; the event ${eventId} is kept in the dead letters.`;
  return {
    status: 500,
    headers: { 'content-type': 'application/json; charset=utf-8' },
    body: JSON.stringify({ code: 'flow_failed', message }),
  };
}
