import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { GtpackError, type Problem } from '../errors.ts';
import { callProblems, withCalledAnswers } from '../flow/check-calls.ts';
import type { Flow } from '../flow/flow.ts';
import type { FlowReach } from '../flow/flow-reach.ts';
import { type FlowSource, loadFlow } from '../flow/load.ts';
import type { Grants } from '../grant/grants.ts';
import { boundFlow } from '../interop/bound-flow.ts';
import type { Pack } from '../pack/pack.ts';

const SCRIPTS = 'scripts';
const MAX_FLOW_BYTES = 256 * 1024;

/** A flow's text, and what it may reach where it comes from. */
export interface DeployedSource extends FlowSource {
  readonly reach: FlowReach;
  /** `id@version` of the pack that brings it; null for one of the bundle's own. */
  readonly pack: string | null;
  /** It was made out of a flow of another host's: nobody here can mend it. */
  readonly isConverted?: true;
}

/** A flow and what the broker grants it. */
export interface DeployedFlow {
  readonly flow: Flow;
  readonly grants: Grants;
  readonly pack: string | null;
}

/** The flows of a bundle's files. */
export async function readFlowFile(file: string): Promise<FlowSource> {
  return { text: await readText(file), file, scripts: await readScripts(scriptFolder(file)) };
}

/**
 * The flows that a pack brings; their helpers are those of the pack.
 * @param names what the bundle calls the pack's providers, by their ids in the pack
 */
export function packFlows(
  pack: Pack,
  names: ReadonlyMap<string, string>,
): Pick<DeployedSource, 'text' | 'file' | 'scripts' | 'isConverted'>[] {
  const scripts: Record<string, string> = {};
  for (const [path, source] of pack.scripts) scripts[basename(path)] = source;
  return pack.flows.map((flow) => {
    const file = `${pack.file} (${flow.path})`;
    return flow.isConverted
      ? { text: boundFlow(flow, names), file, scripts, isConverted: true }
      : { text: flow.source, file, scripts };
  });
}

export interface LoadedFlows {
  readonly flows: readonly DeployedFlow[];
  /** Converted flows that were left out, one sentence each. */
  readonly leftOut: readonly string[];
}

/**
 * Loads every flow of a tenant. A converted one that cannot be loaded is left out: what it lacks is most often a provider
 * that its tenant has not installed.
 * @throws GtpackError with every problem of every other file; a name may be used once
 */
export async function loadFlows(sources: readonly DeployedSource[]): Promise<LoadedFlows> {
  const flows: DeployedFlow[] = [];
  const problems: Problem[] = [];
  const leftOut: string[] = [];
  for (const source of sources) {
    try {
      const flow = await loadFlow(source, source.reach);
      const other = flows.find((each) => each.flow.name === flow.name)?.flow;
      if (other === undefined) flows.push({ flow, grants: source.reach.grants, pack: source.pack });
      else throw nameTaken(flow, other);
    } catch (error) {
      if (!(error instanceof GtpackError)) throw error;
      if (source.isConverted) leftOut.push(reasonOf(source, error.problems[0]));
      else problems.push(...error.problems);
    }
  }
  const loaded = flows.map(({ flow }) => flow);
  // A flow with problems of its own is there all the same for the others.
  if (problems.length === 0) problems.push(...callProblems(loaded));
  const [first, ...rest] = problems;
  if (first !== undefined) throw GtpackError.ofProblems([first, ...rest]);
  const answering = withCalledAnswers(loaded);
  return { flows: flows.map((each, at) => ({ ...each, flow: answering[at] ?? each.flow })), leftOut };
}

function nameTaken({ name, file }: Flow, other: Flow): GtpackError {
  return new GtpackError('flow_invalid', `The flow name "${name}" is already that of ${other.file}.`, {
    cure: 'Give each flow of a tenant a name of its own.',
    file,
  });
}

/** Its lines are those of a text that nobody has seen. */
function reasonOf({ file }: DeployedSource, { message, cure }: Problem): string {
  return `${file} is left out: ${message}${cure === undefined ? '' : ` ${cure}`}`;
}

/** `scripts` beside the flow, or beside the folder `flows` that the flow lies in: the layout of a pack. */
function scriptFolder(file: string): string {
  const folder = dirname(file);
  return join(basename(folder) === 'flows' ? dirname(folder) : folder, SCRIPTS);
}

async function readScripts(folder: string): Promise<Record<string, string>> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch {
    return {};
  }
  const scripts: Record<string, string> = {};
  for (const name of names.filter((each) => each.endsWith('.js')).sort()) {
    scripts[name] = await readText(join(folder, name));
  }
  return scripts;
}

async function readText(file: string): Promise<string> {
  const bytes = await readFile(file);
  if (bytes.length > MAX_FLOW_BYTES) {
    throw new GtpackError(
      'file_unreadable',
      `The file has ${bytes.length} bytes; at most ${MAX_FLOW_BYTES} are read.`,
      { file },
    );
  }
  return bytes.toString('utf8');
}
