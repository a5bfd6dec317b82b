import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import type { Environment } from '../../bundle/read-secrets.ts';
import { examineBundle } from './examine-bundle.ts';
import { examineFile } from './examine-pack.ts';
import type { DoctorReport } from './finding.ts';

/**
 * Says what would go wrong at run time, before it does: what is declared is held against what is there.
 *
 * - examine-pack: archive, providers and flows of one file. examine-provider: a provider against its WebAssembly, asked in
 *   a trial-cell, with declared-memories and described-operations. examine-flows: whom flows call.
 * - examine-bundle: what starting a bundle would refuse, and its packs; durability and open-places: where it keeps things.
 *
 * @param path of a `.gtpack`, a `.wasm`, or a bundle: its folder or its YAML file
 * @param environment of this process, for a bundle's secrets
 */
export async function examine(path: string, environment: Environment): Promise<DoctorReport> {
  return (await isBundle(path)) ? examineBundle(path, environment) : examineFile(path);
}

async function isBundle(path: string): Promise<boolean> {
  if (['.yaml', '.yml'].includes(extname(path))) return true;
  return await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
