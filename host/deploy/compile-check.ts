import { GtpackError, type Problem } from '../errors.ts';
import { quoted } from '../event/names.ts';
import type { CompileTrial, TrialFault } from '../sandbox/compile-trial.ts';
import type { ProviderCode } from './provider-code.ts';

/**
 * Compiles every core module of the providers once, in a process of its own.
 * @throws GtpackError `plugin_compile_too_large`, `plugin_invalid`, for each provider with such a module
 */
export async function checkCompiles(providers: readonly ProviderCode[], trial: CompileTrial): Promise<void> {
  const modules = new Map<string, Uint8Array>();
  for (const provider of providers)
    for (const [digest, bytes] of provider.modules) modules.set(digest, bytes);
  const faults = await trial.faults(modules);
  const problems = providers.flatMap((provider) => {
    const fault = [...provider.modules.keys()].map((digest) => faults.get(digest)).find(isFault);
    return fault === undefined ? [] : [problemOf(provider, fault)];
  });
  const [first, ...rest] = problems;
  if (first !== undefined) throw GtpackError.ofProblems([first, ...rest]);
}

function isFault(fault: TrialFault | undefined): boolean {
  return fault !== undefined;
}

function problemOf({ binding }: ProviderCode, { kind, detail }: TrialFault): Problem {
  const who = `The WebAssembly of the provider ${binding.id}`;
  return kind === 'invalid'
    ? { code: 'plugin_invalid', message: `${who} does not compile: ${quoted(detail)}.`, file: binding.pack }
    : {
        code: 'plugin_compile_too_large',
        message: `${who} takes ${detail} to compile, which is the most that is allowed.`,
        cure: 'Split its largest functions, or give them fewer locals.',
        file: binding.pack,
      };
}
