import { quoted } from '../../event/names.ts';
import { capabilitiesOf, fieldAdapterOf, isFieldAdapter } from '../../interop/field-adapter.ts';
import { DEFAULT_LIMITS } from '../../limits.ts';
import type { Pack, PackProvider } from '../../pack/pack.ts';
import { compareInterface, FREE_IMPORTS, pluginInterface } from '../../pack/plugin-interface.ts';
import { readWasmInterface, type WasmInterface } from '../../pack/wasm-interface.ts';
import type { Transpiler } from '../../sandbox/transpiler.ts';
import { digestOf } from '../digest.ts';
import { providerInterface } from '../provider-interface.ts';
import { declaredMemories } from './declared-memories.ts';
import { describedOperations } from './described-operations.ts';
import type { Findings } from './finding.ts';
import { type AskedAnswer, TrialCell } from './trial-cell.ts';

/** Holds a provider of a pack against what its WebAssembly is and does. @returns the operations that it is known to have */
export async function examineProvider(
  pack: Pack,
  provider: PackProvider,
  transpiler: Transpiler,
  findings: Findings,
): Promise<ReadonlySet<string>> {
  const declared = new Set(provider.operations.map(({ name }) => name));
  let wasm: WasmInterface;
  try {
    wasm = readWasmInterface(provider.wasm, `${pack.file} (${provider.component})`);
    compare(provider, wasm, findings);
    optional(provider, findings);
    await examineMemory(provider, wasm, pack, transpiler, findings);
    const { cell, problems } = await openCell(pack, provider, transpiler, findings);
    try {
      if (problems > 0 || provider.model !== 'field') return declared;
      return await compareOperations(provider, cell, findings);
    } finally {
      await cell.stop();
    }
  } catch (error) {
    findings.refused(error, `The provider ${quoted(provider.id)} cannot be run`);
    return declared;
  }
}

/** Requests and exports against the binary. What keeps it from being linked is found when it is. */
function compare(provider: PackProvider, wasm: WasmInterface, findings: Findings): void {
  if (provider.model === 'plugin') {
    for (const { kind, message, cure } of compareInterface(provider, pluginInterface(wasm))) {
      const isHarmless = kind === 'request_unused' || kind === 'export_undeclared';
      findings.add({ severity: isHarmless ? 'warning' : 'error', code: kind, message, cure });
    }
    return;
  }
  const adapter = fieldAdapterOf(wasm);
  if (!isFieldAdapter(adapter)) return;
  const imported = capabilitiesOf(adapter);
  const requested = provider.requests.map(({ capability }) => capability);
  const who = `The provider ${quoted(provider.id)}`;
  for (const name of imported) {
    if (requested.includes(name) || FREE_IMPORTS.includes(name)) continue;
    findings.add({
      severity: 'warning',
      code: 'request_missing',
      message: `${who} imports what needs the capability "${name}", and its pack does not request it.`,
      cure: `Grant it all the same where it is installed, or let its author request ${name}.`,
    });
  }
  for (const name of requested) {
    if (imported.includes(name)) continue;
    findings.add({
      severity: 'warning',
      code: 'request_unused',
      message: `${who} requests "${name}" and never imports it.`,
      cure: 'There is no need to grant it.',
    });
  }
}

function optional({ id, requests }: PackProvider, findings: Findings): void {
  for (const { capability, reason, optional: isOptional } of requests) {
    if (isOptional !== true) continue;
    findings.add({
      severity: 'info',
      code: 'request_optional',
      message: `The provider ${quoted(id)} starts without the capability "${capability}" (${quoted(reason)}); what needs it is denied then.`,
    });
  }
}

async function examineMemory(
  provider: PackProvider,
  wasm: WasmInterface,
  pack: Pack,
  transpiler: Transpiler,
  findings: Findings,
): Promise<void> {
  const place = { env: 'dev', tenant: 'doctor', provider: provider.id };
  const { waits, problems } = providerInterface(provider, wasm, pack.file, place);
  if (problems.length > 0) return;
  const cores =
    wasm.kind === 'module'
      ? [provider.wasm]
      : (await transpiler.transpile(await digestOf(provider.wasm), provider.wasm, waits)).modules.values();
  const most = DEFAULT_LIMITS.maxGuestMemoryBytes;
  for (const core of cores) {
    for (const { maximumBytes } of declaredMemories(core)) {
      if (maximumBytes === undefined || maximumBytes <= most) continue;
      findings.add({
        severity: 'info',
        code: 'memory_maximum',
        message: `The provider ${quoted(provider.id)} may grow a memory to ${maximumBytes} bytes by its own account; here it gets ${most}, and growing past them fails inside of it.`,
      });
    }
  }
}

/** A config that only its operator knows is none here, which a schema may not take. */
async function openCell(
  pack: Pack,
  provider: PackProvider,
  transpiler: Transpiler,
  findings: Findings,
): Promise<{ readonly cell: TrialCell; readonly problems: number }> {
  const { cell, problems } = await TrialCell.open(pack, provider, transpiler);
  const [first] = problems;
  if (first === undefined || problems.some(({ code }) => code !== 'config_invalid')) {
    findings.problems(problems);
    return { cell, problems: problems.length };
  }
  await cell.stop();
  findings.add({
    severity: 'info',
    code: 'config_needed',
    message: `The provider ${quoted(provider.id)} does not start without a config: ${first.message}`,
    cure: 'Give it one in the bundle: config: { … }',
  });
  const opened = await TrialCell.open(pack, { ...provider, schemas: undefined }, transpiler);
  findings.problems(opened.problems);
  return { cell: opened.cell, problems: opened.problems.length };
}

/** What a pack declares against what the component says of itself; where they differ, the component is tried. */
async function compareOperations(
  provider: PackProvider,
  cell: TrialCell,
  findings: Findings,
): Promise<ReadonlySet<string>> {
  const who = `The provider ${quoted(provider.id)}`;
  const declared = provider.operations.map(({ name }) => name);
  const answer = await cell.ask('describe');
  if (answer.kind === 'failed') {
    findings.add({
      severity: 'warning',
      code: answer.code,
      message: `${who} fails when it is asked to describe itself: ${answer.message}`,
      cure: 'Its author has to mend it; its operations may work all the same.',
    });
  }
  const described = answer.kind === 'output' ? describedOperations(answer.json) : undefined;
  for (const name of declared) {
    if (described?.includes(name)) continue;
    if (refuses(await cell.ask(name), name)) {
      findings.add({
        severity: 'error',
        code: 'operation_missing',
        message: `The pack declares the operation ${quoted(name)} of ${provider.id}, and the component does not know it${listed(described)}.`,
        cure: 'Leave it out of flows, or get a pack that fits its component.',
      });
    } else if (described !== undefined) {
      findings.add({
        severity: 'warning',
        code: 'operation_undescribed',
        message: `The pack declares the operation ${quoted(name)} of ${provider.id}, which the component takes and does not describe${listed(described)}.`,
      });
    }
  }
  for (const name of described ?? []) {
    if (declared.length === 0 || declared.includes(name)) continue;
    findings.add({
      severity: 'info',
      code: 'operation_undeclared',
      message: `${who} describes the operation ${quoted(name)}, which its pack does not declare.`,
    });
  }
  return new Set([...declared, ...(described ?? [])]);
}

function listed(described: readonly string[] | undefined): string {
  if (described === undefined) return '';
  return `: it describes ${described.map((name) => quoted(name)).join(', ')}`.slice(0, 500);
}

/** How components of the field say that they have no such operation: there is no code for it that all of them use. */
const REFUSAL = /\b(?:unknown|unsupported|not supported|no such|unrecognized)\b/i;
const MAX_READ_CHARACTERS = 2000;

function refuses(answer: AskedAnswer, operation: string): boolean {
  const text = answer.kind === 'output' ? answer.json : `${answer.code} ${answer.message}`;
  const start = text.slice(0, MAX_READ_CHARACTERS).replaceAll('_', ' ');
  const isShort = text.length <= MAX_READ_CHARACTERS;
  return isShort && REFUSAL.test(start) && (/\bop(?:eration)?\b/i.test(start) || start.includes(operation));
}
