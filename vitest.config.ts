import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { MissingServerNotice } from './test/nats/missing-server.ts';
import { natsServerPath } from './test/nats/server.ts';

/** Files that attack cells: they run once for each isolation that a bundle may ask for. */
const ATTACKS = 'test/hostile/**/*.test.ts';

/**
 * Those that read files only, that set up cell hosts of their own, or that attack the main process with what a guest asks
 * for and is answered: that comes by the same pipe whoever shares the cell host.
 */
const ONCE = 'test/hostile/{cell-host,forged-reports,keeping,readers,responses}.test.ts';

/** Gone with the next `npm ci`. */
const compiled = fileURLToPath(new URL('node_modules/.cache/gtpack-compiled', import.meta.url));

export default defineConfig({
  test: {
    reporters: natsServerPath() === undefined ? ['default', new MissingServerNotice()] : ['default'],
    testTimeout: 30_000,
    // Hosts and commands that tests start read their own code compiled; a start takes half the time.
    env: { NODE_COMPILE_CACHE: compiled },
    hookTimeout: 60_000,
    // Conditions are waited for as long as a busy machine may need, never for less.
    expect: { poll: { timeout: 20_000 } },
    // Tests start real child processes and threads; on two cores more files at once only add noise.
    maxWorkers: 2,
    projects: [
      { extends: true, test: { name: 'gtpack', include: ['test/**/*.test.ts'], exclude: [ATTACKS] } },
      {
        extends: true,
        test: { name: 'isolation: shared', include: [ATTACKS], provide: { isolation: 'shared' } },
      },
      {
        extends: true,
        test: {
          name: 'isolation: process',
          include: [ATTACKS],
          exclude: [ONCE],
          provide: { isolation: 'process' },
          // Each attacker is a process to start.
          testTimeout: 90_000,
        },
      },
    ],
  },
});
