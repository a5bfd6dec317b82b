import { defineConfig } from 'vitest/config';
import { MissingServerNotice } from './test/nats/missing-server.ts';
import { natsServerPath } from './test/nats/server.ts';

/** Files that attack cells: they run once for each isolation that a bundle may ask for. */
const ATTACKS = 'test/hostile/**/*.test.ts';

/** Those that read files only, or that set up cell hosts of their own. */
const ONCE = 'test/hostile/{cell-host,forged-reports,readers}.test.ts';

export default defineConfig({
  test: {
    reporters: natsServerPath() === undefined ? ['default', new MissingServerNotice()] : ['default'],
    testTimeout: 30_000,
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
