import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Makes `dist`, which is what gets published: Node refuses TypeScript under node_modules. */
const root = fileURLToPath(new URL('..', import.meta.url));
const run = (command: string, args: readonly string[]): void => {
  execFileSync(command, args, { cwd: root, stdio: 'inherit' });
};

rmSync(`${root}/dist`, { recursive: true, force: true });
run('npx', ['--no-install', 'tsc', '-p', 'tsconfig.build.json']);
cpSync(`${root}/host/cli/gtpack.mjs`, `${root}/dist/host/cli/gtpack.mjs`);
chmodSync(`${root}/dist/host/cli/gtpack.mjs`, 0o755);
