import { errorMessage, GtpackError } from '../../errors.ts';
import { chooseBundle } from '../bundle-choice.ts';
import { plain, print, printJson, shownPath } from '../output.ts';
import { storeFileOf } from '../records.ts';
import type { CliWorld } from '../world.ts';

export interface BusCheckOptions {
  readonly bundle: string | undefined;
  readonly json: boolean;
}

/**
 * Looks through the store of a bundle that no host runs. Status 1 where something is wrong.
 * @throws GtpackError `bus_missing`, `bus_locked`, `bus_schema_newer`, `bus_corrupt`, `bus_unwritable`
 */
export async function busCheck(world: CliWorld, { bundle, json }: BusCheckOptions): Promise<number> {
  const file = await storeFileOf(world, await chooseBundle(world, bundle));
  const { inspectStore } = await import('../../bus/embedded/store-check.ts');
  const { schemaVersion, knownVersion, counts, problems } = await inspectStore(file).catch(unlocked);
  const ok = problems.length === 0;
  if (json) {
    await printJson(world, { ok, file, schema: schemaVersion, known_schema: knownVersion, counts, problems });
    return ok ? 0 : 1;
  }
  const age = schemaVersion < knownVersion ? `, which the next start brings to ${knownVersion}` : '';
  await print(
    world,
    plain(`${shownPath(world, file)}: schema ${schemaVersion}${age}`),
    ...Object.entries(counts).map(([table, count]) => `${table.padEnd(12)}  ${count ?? 'unreadable'}`),
    ...problems.map(plain),
    ok
      ? 'The store is sound.'
      : `${problems.length} ${problems.length === 1 ? 'problem' : 'problems'} found.`,
  );
  return ok ? 0 : 1;
}

function unlocked(error: unknown): never {
  if (!(error instanceof GtpackError) || error.code !== 'bus_locked') throw error;
  throw new GtpackError('bus_locked', `A host serves this store: ${errorMessage(error)}`, {
    cure: 'Stop the host, and check then: the store has to hold still.',
  });
}
