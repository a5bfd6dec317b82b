import { join } from 'node:path';
import { DEFAULT_LIMITS } from '../limits.ts';
import { CompileTrial } from '../sandbox/compile-trial.ts';
import { jcoVersion } from '../sandbox/jco-version.ts';
import { Transpiler } from '../sandbox/transpiler.ts';

/** What makes a bundle's components ready for cells, and remembers what it made. */
export interface ComponentTools {
  readonly transpiler: Transpiler;
  readonly trial: CompileTrial;
}

/** @param bundleDir in whose store lies what was made, under the digests of what it was made from */
export function componentTools(bundleDir: string): ComponentTools {
  const cacheDir = join(bundleDir, '.gtpack', 'store', 'components');
  const { transpileWallMs, transpileMemoryBytes, compileWallMs, compileMemoryBytes } = DEFAULT_LIMITS;
  return {
    transpiler: new Transpiler({
      cacheDir,
      version: jcoVersion,
      wallMs: transpileWallMs,
      memoryBytes: transpileMemoryBytes,
    }),
    trial: new CompileTrial({ cacheDir, wallMs: compileWallMs, memoryBytes: compileMemoryBytes }),
  };
}
