import { resolve } from 'node:path';
import type { PackReport } from '../../interop/pack-report.ts';
import { plain, print, printJson } from '../output.ts';
import type { Rooms } from '../rooms.ts';
import type { CliWorld } from '../world.ts';

/** Reports what a pack holds. @returns 1 when the host would not take it */
export async function packInspect(
  world: CliWorld,
  rooms: Rooms,
  file: string,
  { json }: { readonly json: boolean },
): Promise<number> {
  const report = await rooms.inspectPack(resolve(world.cwd, file));
  if (json) await printJson(world, report);
  else await print(world, ...reportLines(file, report));
  return report.ok ? 0 : 1;
}

function reportLines(file: string, report: PackReport): string[] {
  const { components, flows, requests, schemas, sbom, signature, remarks } = report;
  const problems = [...report.problems, ...sbom.problems];
  return [
    `${file}: ${report.pack_id ?? 'a pack without a name'} ${report.version ?? ''}, by ${report.publisher ?? 'nobody it names'}`,
    `model      ${report.model}`,
    ...components.flatMap(({ id, kind, size, imports, exports }) => [
      `component  ${id}: ${kind ?? 'unreadable'}, ${size === null ? 'missing' : `${size} bytes`}`,
      `  exports  ${listed(exports)}`,
      `  imports  ${listed(imports)}`,
    ]),
    ...flows.map(({ id, nodes }) => `flow       ${id}${nodes === null ? '' : `: ${nodes} nodes`}`),
    ...requests.map(
      ({ provider, capability, reason, optional }) =>
        `requests   ${capability} for ${provider}${optional ? ' (optional)' : ''}: ${reason}`,
    ),
    ...schemas.map(({ provider, of, path }) => `schema     ${path} for ${provider}: ${of}`),
    `sbom       ${sbom.present ? (sbom.ok ? 'matches every file' : 'does not match') : 'missing'}`,
    `signature  ${signature.present ? (signature.ok ? `by ${signature.fingerprint ?? 'an unknown key'}` : 'present, not verified') : 'none'}`,
    ...remarks.map((remark) => `remark     ${remark}`),
    ...problems.map(({ code, message }) => `problem    ${message} (${code})`),
    report.ok ? 'This host takes it.' : 'This host does not take it.',
  ].map(plain);
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? 'nothing' : names.join(', ');
}
