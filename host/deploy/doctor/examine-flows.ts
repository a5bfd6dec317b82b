import { quoted } from '../../event/names.ts';
import type { Flow } from '../../flow/flow.ts';
import type { ReachableProvider } from '../../flow/flow-reach.ts';
import { loadFlow } from '../../flow/load.ts';
import { grantsShape, parseGrants } from '../../grant/grants.ts';
import type { Pack } from '../../pack/pack.ts';
import { packFlows } from '../tenant-flows.ts';
import type { Findings } from './finding.ts';

/** What a bundle grants is not known here, so that all is: what matters is what the flows name. */
const EVERYTHING = {
  http: {
    hosts: ['*:*', 'http://*:*'],
    methods: ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE'],
  },
};

/**
 * Loads a pack's flows as a bundle would that installs all of its providers.
 * @param operations what each provider is known to have
 */
export async function examineFlows(
  pack: Pack,
  operations: ReadonlyMap<string, ReadonlySet<string>>,
  findings: Findings,
): Promise<void> {
  const own = new Map<string, ReachableProvider>(
    pack.providers.map(({ id, kind, model, exports, operations: declared }) => [
      id,
      {
        kind,
        invokes: exports.includes('invoke'),
        operations: model === 'field' ? null : declared.map(({ name }) => name),
      },
    ]),
  );
  const reach = {
    grants: parseGrants(grantsShape.parse(EVERYTHING)),
    grantee: 'the provider',
    // Whatever else a flow names is another pack's, and is looked at below.
    providers: new AnyProvider(own),
    own: new Map(pack.providers.map(({ id }) => [id, id])),
  };
  for (const source of packFlows(pack, new Map(pack.providers.map(({ id }) => [id, id])))) {
    try {
      compareNodes(await loadFlow(source, reach), own, operations, findings);
    } catch (error) {
      findings.refused(error);
    }
  }
}

/** Has every provider: those that it knows, and others of which nothing is known. */
class AnyProvider extends Map<string, ReachableProvider> {
  override get(id: string): ReachableProvider {
    return super.get(id) ?? { invokes: true, operations: null };
  }
}

function compareNodes(
  flow: Flow,
  own: ReadonlyMap<string, ReachableProvider>,
  operations: ReadonlyMap<string, ReadonlySet<string>>,
  findings: Findings,
): void {
  for (const node of flow.nodes) {
    if (node.type !== 'event') continue;
    const { provider, action } = node.config;
    const where = `The node ${quoted(node.id)} of the flow ${quoted(flow.name)}`;
    if (!own.has(provider)) {
      findings.add({
        severity: 'warning',
        code: 'flow_provider_foreign',
        message: `${where} calls the provider ${quoted(provider)}, which this pack does not hold.`,
        cure: `The bundle has to have a provider of that id.`,
        file: flow.file,
      });
      continue;
    }
    const known = operations.get(provider);
    if (known === undefined || known.size === 0 || known.has(action)) continue;
    findings.add({
      severity: 'warning',
      code: 'flow_operation_unknown',
      message: `${where} calls the operation ${quoted(action)}, which ${provider} neither declares nor describes. Known: ${[...known].join(', ')}.`,
      cure: 'Name one that it has.',
      file: flow.file,
    });
  }
}
