import type { DoctorReport, Finding } from '../../deploy/doctor/finding.ts';
import { chooseBundle } from '../bundle-choice.ts';
import { plain, print, printJson, shownPath } from '../output.ts';
import type { Rooms } from '../rooms.ts';
import type { CliWorld } from '../world.ts';

/** Says what would go wrong at run time. @returns 1 where something would */
export async function doctor(
  world: CliWorld,
  rooms: Rooms,
  path: string | undefined,
  { json }: { readonly json: boolean },
): Promise<number> {
  const report = await rooms.examine(await chooseBundle(world, path), world.env);
  if (json) await printJson(world, report);
  else await print(world, ...reportLines(world, report));
  return report.ok ? 0 : 1;
}

function reportLines(world: CliWorld, { ok, file, findings }: DoctorReport): string[] {
  const shown = shownPath(world, file);
  return [
    ...findings.flatMap((finding) => findingLines(world, finding, file)),
    ok ? `${shown}: nothing found that would fail at run time.` : `${shown}: this would fail at run time.`,
  ].map(plain);
}

function findingLines(
  world: CliWorld,
  { severity, code, message, cure, file, line }: Finding,
  examined: string,
): string[] {
  const place = file === undefined || file === examined ? '' : `${shownPath(world, file)}: `;
  const at = line === undefined || place === '' ? place : `${place.slice(0, -2)}:${line}: `;
  return [
    `${severity.padEnd(7)}  ${code}: ${at}${message}`,
    ...(cure === undefined ? [] : [`         ${cure}`]),
  ];
}
