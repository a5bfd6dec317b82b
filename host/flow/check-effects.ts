import { urlFault } from '../capability/http/request.ts';
import type { HttpGrant } from '../grant/http-grant.ts';
import { originGrant } from '../grant/origin-pattern.ts';
import { nearest, type Path, suggestion } from '../yaml.ts';
import type { ComponentNode, HttpNode } from './flow.ts';
import type { FlowProblems } from './flow-problems.ts';
import type { FlowReach } from './flow-reach.ts';
import type { NodeDraft } from './read-node.ts';

/**
 * Holds the nodes that reach outside of their flow against what it may reach. Here a mistake is found early; the broker
 * checks every request when it is made.
 */
export function checkEffects(nodes: readonly NodeDraft[], reach: FlowReach, problems: FlowProblems): void {
  for (const { node, path } of nodes) {
    if (node?.type === 'http') checkHttp(node, [...path, 'config'], reach, problems);
    if (node?.type === 'event') {
      const { provider, action } = node.config;
      checkOperation({ provider, action, key: 'action' }, [...path, 'config'], reach, problems);
    }
    if (node?.type === 'component') checkComponent(node, [...path, 'config'], reach, problems);
  }
}

function checkHttp({ config }: HttpNode, path: Path, reach: FlowReach, problems: FlowProblems): void {
  const url = constantPart(config.url);
  if (url === undefined) return;
  const at = [...path, 'url'];
  const fault = url === null ? 'is no absolute URL' : urlFault(url);
  if (url === null || fault !== undefined) {
    problems.at(at, {
      message: `The URL ${fault ?? ''}.`,
      cure: 'Write it as in "https://api.example.com/orders".',
    });
    return;
  }
  const { auth, method = 'GET' } = config;
  const templated = method.includes('{{');
  const missing = missingOf(reach.grants.http, url, templated ? undefined : method);
  if (auth !== undefined && reach.grants.http?.credentialFor(url, auth) === undefined) {
    missing.push(`auth: [{ secret: ${auth}, hosts: [${JSON.stringify(originGrant(url))}] }]`);
  }
  if (missing.length === 0) return;
  problems.at(
    at,
    {
      message: `The flow may not send ${templated ? 'requests' : method} to ${url.origin}${auth === undefined ? '' : ` with the credential ${JSON.stringify(auth)}`}.`,
      cure: `To allow it, add to the grants of ${reach.grantee} in the bundle: http: { ${missing.join(', ')} }`,
    },
    'capability_denied',
  );
}

/**
 * What of a URL is the same for every run, as far as its origin goes: all of it, or, where a template begins behind the
 * host, what stands before. Undefined where a template decides on the origin; null for what is no URL.
 */
function constantPart(text: string): URL | null | undefined {
  const template = text.indexOf('{{');
  if (template === -1) return URL.parse(text);
  const before = text.slice(0, template);
  return /^[a-z][a-z0-9+.-]*:\/\/[^/?#\\]*[/?#\\]/i.test(before) ? URL.parse(before) : undefined;
}

/** An origin that is granted with other methods only, lacks the method; one that is not granted at all, both. */
function missingOf(grant: HttpGrant | null, url: URL, method: string | undefined): string[] {
  const hosts = grant?.allowsOrigin(url) ? [] : [`hosts: [${JSON.stringify(originGrant(url))}]`];
  const allowed = method === undefined || (grant?.allowsMethod(method) ?? DEFAULT_METHODS.has(method));
  return allowed ? hosts : [...hosts, `methods: [${method}]`];
}

/** What a grant allows that names no methods. */
const DEFAULT_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD']);

const AS_IT_IS = 'It stands there as it is, and no template, so that it is checked when the flow is loaded.';

interface OperationRef {
  readonly provider: string;
  readonly action: string;
  /** Of the config, where it says the operation. */
  readonly key: string;
}

function checkOperation(
  { provider: id, action, key }: OperationRef,
  path: Path,
  reach: FlowReach,
  problems: FlowProblems,
): void {
  const provider = reach.providers.get(id);
  if (provider === undefined) {
    problems.at([...path, 'provider'], {
      message: `The tenant has no provider ${JSON.stringify(id)}.`,
      cure: cureOf(id, [...reach.providers.keys()], 'The tenant has no provider at all.'),
    });
    return;
  }
  if (!provider.invokes) {
    problems.at([...path, 'provider'], {
      message: `The provider ${id} has no operations: its pack exports no \`invoke\`.`,
      cure: 'Name a provider with operations.',
    });
    return;
  }
  if (provider.operations === null || provider.operations.includes(action)) return;
  problems.at([...path, key], {
    message: `The provider ${id} has no operation ${JSON.stringify(action)}.`,
    cure: cureOf(action, provider.operations, 'Its pack lists none.'),
  });
}

/** What the bundle calls a provider of the flow's own pack; without a name the only one. */
export function ownProvider(name: string, own: FlowReach['own']): string | undefined {
  if (own === undefined) return undefined;
  if (name !== '') return own.get(name);
  const [only, ...others] = own.values();
  return others.length === 0 ? only : undefined;
}

function checkComponent(
  { config }: ComponentNode,
  path: Path,
  reach: FlowReach,
  problems: FlowProblems,
): void {
  const { provider: name, operation } = config;
  const { own } = reach;
  if (own === undefined) {
    problems.at(path, {
      message: 'This flow is in no pack, so that it has no component of its own.',
      cure: 'Call a provider of the tenant with a node of type event.',
    });
    return;
  }
  const provider = ownProvider(name, own);
  if (provider !== undefined) {
    checkOperation({ provider, action: operation, key: 'operation' }, path, reach, problems);
    return;
  }
  const known = [...own.keys()];
  const at = name === '' ? path : [...path, 'provider'];
  const said = name === '' ? '`provider` is missing' : `The pack has no provider ${JSON.stringify(name)}`;
  problems.at(at, {
    message: known.length === 0 ? 'The pack has no provider that the bundle installs.' : `${said}.`,
    cure: cureOf(name, known, 'Add it to the bundle.'),
  });
}

function cureOf(word: string, known: readonly string[], none: string): string {
  if (word.includes('{{')) return AS_IT_IS;
  if (known.length === 0) return none;
  return nearest(word, [...known]) === undefined
    ? `Known here: ${known.join(', ')}.`
    : suggestion(word, known);
}
