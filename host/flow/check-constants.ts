import { MAX_URL_CHARACTERS } from '../capability/http/request.ts';
import { errorMessage } from '../errors.ts';
import type { Json, JsonObject } from '../event/json.ts';
import { isEventId, isReservedType, parseOpenEventType, quoted } from '../event/names.ts';
import { isHeaderValue, isHostOwned } from '../grant/header-names.ts';
import type { Path } from '../yaml.ts';
import type { HttpNode, HttpResponseNode, PublishNode, WaitNode } from './flow.ts';
import { type FlowProblems, kindOf } from './flow-problems.ts';
import { answerHeaderFault, isBodiless } from './node/http-response.ts';
import { MAX_ITEMS } from './node/rounds.ts';
import { instantAt } from './node/wait.ts';
import type { NodeDraft } from './read-node.ts';

/**
 * Finds what a node will refuse each time that it runs, because it is written so (F1). What holds a template is known
 * when the node runs, and checked then.
 */
export function checkConstants(nodes: readonly NodeDraft[], problems: FlowProblems): void {
  for (const { node, path } of nodes) {
    const config = [...path, 'config'];
    switch (node?.type) {
      case 'wait':
        checkWait(node, config, problems);
        break;
      case 'publish':
        checkPublish(node, config, problems);
        break;
      case 'http':
        checkHttp(node, config, problems);
        break;
      case 'http_response':
        checkResponse(node, config, problems);
        break;
      case 'foreach': {
        const { items } = node.config;
        if (!Array.isArray(items) || items.length <= MAX_ITEMS) break;
        const message = `The list has ${items.length} items; at most ${MAX_ITEMS} are allowed.`;
        problems.at([...config, 'items'], { message, cure: 'Split it, and go through the parts.' });
        break;
      }
    }
  }
}

function checkWait({ config: { until } }: WaitNode, path: Path, problems: FlowProblems): void {
  if (until === undefined || isTemplated(until) || instantAt(until) !== undefined) return;
  problems.at([...path, 'until'], {
    message: `This is no time to wait until: ${kindOf(until)} came.`,
    cure: 'Write it with an offset, as in "2030-01-31T09:00:00Z", or as milliseconds since 1970.',
  });
}

const TYPE_CURE = 'Write dot-separated lower-case tokens, as in order.created, whose first is not host.';

function checkPublish({ config }: PublishNode, path: Path, problems: FlowProblems): void {
  const { event_type: type, id } = config;
  const at = [...path, 'event_type'];
  if (isReservedType(type)) {
    const message = 'Event types that begin with "host." are the host\'s own.';
    problems.at(at, { message, cure: TYPE_CURE }, 'event_type_reserved');
  } else if (!isTemplated(type)) {
    const fault = faultOf(() => parseOpenEventType(type));
    if (fault !== undefined) problems.at(at, { message: fault, cure: TYPE_CURE });
  }
  if (id === undefined || isTemplated(id) || isEventId(id)) return;
  problems.at([...path, 'id'], {
    message: `1 to 128 printable ASCII characters without spaces were expected; ${quoted(id)} came.`,
    cure: 'Leave it out to have it made of the run and the node.',
  });
}

function checkHttp({ config }: HttpNode, path: Path, problems: FlowProblems): void {
  const { url, headers = {} } = config;
  if (!isTemplated(url) && url.length > MAX_URL_CHARACTERS) {
    const message = `The URL is ${url.length} characters long; at most ${MAX_URL_CHARACTERS} are sent.`;
    problems.at([...path, 'url'], { message, cure: 'Send what is long in the body.' });
  }
  checkHeaders(headers, [...path, 'headers'], problems, (name, value) => {
    if (isHostOwned(name)) return 'the host writes this header itself';
    if (value === undefined || isHeaderValue(value)) return undefined;
    return `a text of visible ASCII characters with spaces between them was expected; ${quoted(value)} came`;
  });
}

function checkResponse({ config }: HttpResponseNode, path: Path, problems: FlowProblems): void {
  const { status, headers = {}, body = null } = config;
  checkHeaders(headers, [...path, 'headers'], problems, answerHeaderFault);
  if (typeof status !== 'number' || !isBodiless(status) || body === null || body === '') return;
  // What a template gives may be nothing.
  if (isTemplated(body)) return;
  problems.at([...path, 'body'], {
    message: `An answer of status ${status} has no body.`,
    cure: 'Leave the body out, or answer with 200.',
  });
}

/** @param faultOfHeader of a lower-case name and its value; undefined for one that is a template */
function checkHeaders(
  headers: JsonObject,
  path: Path,
  problems: FlowProblems,
  faultOfHeader: (name: string, value: string | undefined) => string | undefined,
): void {
  const seen = new Set<string>();
  for (const [written, value] of Object.entries(headers)) {
    const name = written.toLowerCase();
    const at = [...path, written];
    if (seen.has(name)) {
      problems.atKey(at, { message: 'The header comes twice, in different letters.', cure: 'Keep one.' });
    }
    seen.add(name);
    if (value === null) continue;
    const fault = faultOfHeader(name, isTemplated(value) ? undefined : String(value));
    if (fault === undefined) continue;
    const message = `${fault.charAt(0).toUpperCase()}${fault.slice(1)}.`;
    problems.at(at, { message, cure: 'Correct the header, or leave it out.' });
  }
}

function isTemplated(value: Json): boolean {
  return typeof value === 'string' && value.includes('{{');
}

function faultOf(parse: () => unknown): string | undefined {
  try {
    parse();
    return undefined;
  } catch (error) {
    return errorMessage(error);
  }
}
