import { createRequire } from 'node:module';

interface PackageFile {
  readonly dependencies: Readonly<Record<string, string>>;
}

const LIBRARY = '@bytecodealliance/jco-transpile';

/** The pinned version of the transpiler: other glue comes from another version. */
export const jcoVersion: string = ownPackage().dependencies[LIBRARY] ?? 'unknown';

/** package.json lies above `host` in a checkout and above `dist/host` in a published package. */
function ownPackage(): PackageFile {
  const depth = import.meta.url.endsWith('.ts') ? '../../package.json' : '../../../package.json';
  return createRequire(import.meta.url)(depth) as PackageFile;
}
