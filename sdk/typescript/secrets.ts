import { get } from 'gtpack:plugin/secrets@0.1.0';
import { ask, whole, wrongAnswer } from './answer.ts';

/** Secrets that the bundle grants by name. Where the host can attach one itself (`auth` of the grant `http`), it need not be read. */
export const secrets = {
  /** The secret's text. @throws ProviderProblem `capability_denied` for a name that is not granted, whether it exists or not */
  get(name: string): string {
    const secret = ask(() => get(whole(name, 'capability_denied', 'The secret’s name')));
    if (typeof secret !== 'string') throw wrongAnswer('secrets.get');
    return secret;
  },
};
