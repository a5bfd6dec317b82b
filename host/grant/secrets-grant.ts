import * as z from 'zod';
import { fault } from '../written/readers.ts';
import { secretName } from './secret-name.ts';

const MAX_SECRETS = 100;

/** `secrets` of a provider's grants: names of secrets that its code may read itself. */
export const secretsGrantShape = z
  .array(secretName, { error: (issue) => fault('a list of names of secrets', issue.input) })
  .min(1, { error: 'At least one name of a secret was expected.' })
  .max(MAX_SECRETS, { error: `At most ${MAX_SECRETS} names of secrets were expected.` });

export type SecretsGrant = ReadonlySet<string>;
