import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAnyPack } from '../../interop/any-pack.ts';
import { inspectPack } from '../../interop/inspect.ts';
import { DEFAULT_LIMITS } from '../../limits.ts';
import type { Pack } from '../../pack/pack.ts';
import { readArchiveFile } from '../../pack/pack-file.ts';
import { wasmKind } from '../../pack/wasm-interface.ts';
import { jcoVersion } from '../../sandbox/jco-version.ts';
import { Transpiler } from '../../sandbox/transpiler.ts';
import { bareWasm } from '../call/called-pack.ts';
import { examineFlows } from './examine-flows.ts';
import { examineProvider } from './examine-provider.ts';
import { type DoctorReport, Findings } from './finding.ts';

/** Examines a pack, or a bare WebAssembly as if a pack held it alone. */
export async function examineFile(file: string): Promise<DoctorReport> {
  const findings = new Findings();
  let kind: DoctorReport['kind'] = 'pack';
  try {
    const bytes = await readArchiveFile(file, DEFAULT_LIMITS);
    if (wasmKind(bytes) !== undefined) {
      kind = 'component';
      await examineParts((await bareWasm(bytes, file)).pack, findings);
    } else {
      await examineArchive(file, findings);
      await examineParts(await openAnyPack(bytes, file), findings);
    }
  } catch (error) {
    findings.refused(error);
  }
  return findings.report(kind, file);
}

/** What the archive says of itself: manifest, SBOM, signature. */
async function examineArchive(file: string, findings: Findings): Promise<void> {
  const { problems, remarks, sbom, signature } = await inspectPack(file);
  findings.addAll(
    [...problems, ...sbom.problems, ...signature.problems]
      // Told by its providers, which know what of it does harm.
      .filter(({ code }) => code !== 'pack_interface_mismatch')
      .map((problem) => ({ severity: 'error' as const, ...problem })),
  );
  findings.addAll(remarks.map((message) => ({ severity: 'warning' as const, code: 'pack_remark', message })));
  if (!signature.present) {
    findings.add({
      severity: 'warning',
      code: 'pack_unsigned',
      message: 'The pack is not signed: it starts in env dev, or where its provider is exempt.',
      cure: 'Sign it: gtpack keygen KEY, then gtpack pack sign FILE --key KEY',
    });
  }
}

/** Providers and flows. What is transpiled for it is thrown away after it. */
async function examineParts(pack: Pack, findings: Findings): Promise<void> {
  const cacheDir = await mkdtemp(join(tmpdir(), 'gtpack-doctor-'));
  try {
    const transpiler = new Transpiler({
      cacheDir,
      version: jcoVersion,
      wallMs: DEFAULT_LIMITS.transpileWallMs,
      memoryBytes: DEFAULT_LIMITS.transpileMemoryBytes,
    });
    const operations = new Map<string, ReadonlySet<string>>();
    for (const provider of pack.providers) {
      operations.set(provider.id, await examineProvider(pack, provider, transpiler, findings));
    }
    await examineFlows(pack, operations, findings);
  } finally {
    await rm(cacheDir, { recursive: true, force: true });
  }
}
