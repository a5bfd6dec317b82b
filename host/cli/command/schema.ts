import { GtpackError } from '../../errors.ts';
import { SCHEMA_KINDS, schemaText } from '../file-schemas.ts';
import { print } from '../output.ts';
import type { CliWorld } from '../world.ts';

/** Prints the JSON Schema of a kind of file. @throws GtpackError `option_invalid` */
export async function schema(world: CliWorld, named: string): Promise<number> {
  const kind = SCHEMA_KINDS.find((known) => known === named);
  if (kind === undefined)
    throw new GtpackError(
      'option_invalid',
      `schema takes one of ${SCHEMA_KINDS.join(', ')}; ${JSON.stringify(named)} came.`,
    );
  await print(world, schemaText(kind));
  return 0;
}
