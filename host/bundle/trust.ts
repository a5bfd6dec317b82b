import type { Problem } from '../errors.ts';
import type { Bundle, ProviderBinding } from './bundle.ts';
import type { LoadedPack } from './loaded-pack.ts';

/** In this env, packs of signers whom nothing vouches for are started while the bundle trusts nobody by name. */
const LENIENT_ENV = 'dev';

/**
 * Whether a pack may run, by who signed it.
 * - `trusted`: by a key of the bundle's `trust`.
 * - `exempt`: the bundle says `allow_unsigned: true`.
 * - `unchecked`: env `dev`, with no `trust`.
 */
export type TrustVerdict =
  | { readonly kind: 'trusted' | 'exempt' | 'unchecked' }
  | { readonly kind: 'refused'; readonly problem: Problem };

export function trustVerdict(
  bundle: Pick<Bundle, 'file' | 'env' | 'trust'>,
  binding: Pick<ProviderBinding, 'pack' | 'line' | 'allowUnsigned'>,
  pack: LoadedPack,
): TrustVerdict {
  const { trust, env } = bundle;
  if (pack.signer !== null && trust?.has(pack.signer) === true) return { kind: 'trusted' };
  if (binding.allowUnsigned) return { kind: 'exempt' };
  if (trust === null && env === LENIENT_ENV) return { kind: 'unchecked' };
  const name = `The pack ${binding.pack} of the provider "${pack.provider}" of the tenant "${pack.tenant}"`;
  const because =
    trust === null ? `env "${env}" starts packs of trusted signers only` : 'the bundle trusts others';
  const place = { file: bundle.file, line: binding.line };
  if (pack.signer === null) {
    return {
      kind: 'refused',
      problem: {
        code: 'pack_unsigned',
        message: `${name} is not signed, and ${because}.`,
        cure: 'Get a signed pack from its publisher, or exempt the provider: allow_unsigned: true',
        ...place,
      },
    };
  }
  return {
    kind: 'refused',
    problem: {
      code: 'pack_untrusted',
      message: `${name} is signed by blake3:${pack.signer}, and ${because}.`,
      cure: `To trust this signer, add the fingerprint to the bundle: trust: ["blake3:${pack.signer}"]`,
      ...place,
    },
  };
}
