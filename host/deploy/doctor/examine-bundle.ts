import type { Bundle } from '../../bundle/bundle.ts';
import { loadBundle } from '../../bundle/load.ts';
import type { Environment } from '../../bundle/read-secrets.ts';
import { checkBundle } from '../check.ts';
import { durabilityOf } from './durability.ts';
import { examineFile } from './examine-pack.ts';
import { type DoctorReport, type Finding, Findings } from './finding.ts';
import { openPlaces } from './open-places.ts';
import { vendorPlaces } from './vendor-places.ts';

/** Examines a bundle: all that starting it would refuse, each of its packs, and the place where it keeps what it has. */
export async function examineBundle(path: string, environment: Environment): Promise<DoctorReport> {
  const findings = new Findings();
  let bundle: Bundle;
  try {
    bundle = await loadBundle(path, environment);
  } catch (error) {
    findings.refused(error);
    return findings.report('bundle', path);
  }
  const { problems, warnings, notes } = await checkBundle(bundle);
  findings.problems(problems);
  findings.addAll([...bundle.warnings, ...warnings].map(warning));
  findings.addAll(notes.map((message) => ({ severity: 'info' as const, code: 'grant_optional', message })));
  findings.addAll(trustOf(bundle));
  findings.addAll(vendorPlaces(bundle));
  for (const file of packsOf(bundle)) {
    for (const finding of (await examineFile(file)).findings) {
      // Who may be unsigned is the bundle's to say, and was said.
      if (finding.code !== 'pack_unsigned') findings.add({ ...finding, file: finding.file ?? file });
    }
  }
  findings.addAll(await durabilityOf(bundle));
  findings.addAll(await openPlaces(bundle));
  return findings.report('bundle', bundle.file);
}

function packsOf({ tenants }: Bundle): Set<string> {
  const bindings = tenants.flatMap(({ providers }) => providers.filter(({ enabled }) => enabled));
  return new Set(bindings.map(({ pack }) => pack));
}

function warning(message: string): Finding {
  return { severity: 'warning', code: 'bundle_warning', message };
}

function trustOf({ env, trust, file }: Bundle): Finding[] {
  if (trust !== null) return [];
  const cure = 'List the fingerprints of the signers that you trust: trust: ["blake3:…"]';
  return env === 'dev'
    ? [
        {
          severity: 'info',
          code: 'trust_missing',
          message: 'The bundle trusts no signer by name; env dev starts packs of any, also unsigned ones.',
          cure,
          file,
        },
      ]
    : [
        {
          severity: 'warning',
          code: 'trust_missing',
          message: `The bundle trusts no signer by name, and env ${env} starts no pack but those that are exempt.`,
          cure,
          file,
        },
      ];
}
