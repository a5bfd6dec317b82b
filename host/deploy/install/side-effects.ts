import { isDeepStrictEqual } from 'node:util';
import type { Bundle, ProviderBinding } from '../../bundle/bundle.ts';
import { GtpackError } from '../../errors.ts';
import type { InstallPlan } from './plan.ts';

/**
 * Holds that installing changes the providers that it installs and no others: in YAML, two may share what an anchor
 * names, and somebody may have edited the bundle since the plan was made.
 * @throws GtpackError `bundle_invalid`
 */
export function refuseSideEffects({ bundle, tenant, providers }: InstallPlan, changed: Bundle): void {
  const installed = new Set(providers.map(({ id }) => `${tenant}/${id}`));
  const [before, after] = [bundle, changed].map(
    ({ tenants }) =>
      new Map(
        tenants.flatMap(({ id, providers: bindings }) =>
          bindings.map((binding) => [`${id}/${binding.id}`, meaningOf(binding)] as const),
        ),
      ),
  );
  for (const [name, meaning] of before ?? []) {
    if (installed.has(name) || isDeepStrictEqual(meaning, after?.get(name))) continue;
    throw new GtpackError('bundle_invalid', `Installing would change the provider ${name}, too.`, {
      file: bundle.file,
      cure: 'If it shares an anchor of the YAML, write it out; if somebody edited the bundle meanwhile, install again.',
    });
  }
}

/** Its line may move. */
function meaningOf({ line: _line, ...meaning }: ProviderBinding): Omit<ProviderBinding, 'line'> {
  return meaning;
}
