import { dirname, resolve } from 'node:path';
import { secretReaders } from '../bundle/secret-holders.ts';
import { GtpackError, type Problem } from '../errors.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import type { CheckBundle } from '../running-host.ts';
import { Sandbox, type SandboxOptions } from '../sandbox/sandbox.ts';
import { type Deployment, deploy } from './deployment.ts';
import { ungrantedOptions } from './provider-code.ts';

/** Deploys a bundle and opens each tenant's cell once, one after another: scripts are compiled nowhere else. */
export const checkBundle: CheckBundle = async (bundle) => {
  let deployment: Deployment;
  try {
    deployment = await deploy(bundle, 'compare');
  } catch (error) {
    if (!(error instanceof GtpackError)) throw error;
    return { problems: error.problems, packs: 0, flows: 0, isolated: [], warnings: [], notes: [] };
  }
  const { tenants } = deployment;
  return {
    problems: await openEach(deployment, dirname(bundle.file)),
    packs: new Set(tenants.flatMap(({ providers }) => providers.map(({ binding }) => binding.pack))).size,
    flows: tenants.reduce((total, { flows }) => total + flows.length, 0),
    isolated: tenants.filter(({ code }) => code.isolation === 'process').map(({ id }) => id),
    notes: tenants.flatMap(({ providers }) => providers.flatMap(ungrantedOptions)),
    warnings: [...bundle.warnings, ...deployment.leftOut, ...secretReaders(bundle)],
  };
};

/** @param folder of the bundle: cells know flows by where their files lie in it */
async function openEach({ tenants }: Deployment, folder: string): Promise<Problem[]> {
  const problems: Problem[] = [];
  const sandbox = new Sandbox(ALONE);
  try {
    for (const { id, code, flows } of tenants) {
      sandbox.register(id, code);
      const files = new Map(flows.map(({ file }) => [file, resolve(folder, file)]));
      try {
        const found = await sandbox.prepare(id);
        problems.push(...found.map((problem) => ({ ...problem, ...placeIn(files, problem) })));
      } catch (error) {
        if (!(error instanceof GtpackError)) throw error;
        problems.push(...error.problems);
      }
    }
  } finally {
    await sandbox.stop();
  }
  return problems;
}

function placeIn(files: ReadonlyMap<string, string>, { file }: Problem): Pick<Problem, 'file'> {
  const found = files.get(file ?? '');
  return found === undefined ? {} : { file: found };
}

/** A sandbox that nobody but its caller is connected to. */
export const ALONE: SandboxOptions = {
  maxLiveCells: 1,
  maxCellsPerHost: 1,
  maxQueuedCalls: DEFAULT_LIMITS.maxQueuedCalls,
  onEffect: () =>
    Promise.resolve({
      kind: 'problem',
      problem: { code: 'capability_denied', message: 'Nothing is granted here.', retryable: false },
    }),
  onRecord: () =>
    Promise.resolve({
      kind: 'problem',
      problem: { code: 'bus_unavailable', message: 'There is no bus here.', retryable: false },
    }),
  onRespond: () => undefined,
  onLog: () => undefined,
  onFlowProblems: () => undefined,
  onCellLost: () => undefined,
};
