import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Conditions are waited for as long as a busy machine may need, never for less.
    expect: { poll: { timeout: 20_000 } },
    // Tests start real child processes and threads; on two cores more files at once only add noise.
    maxWorkers: 2,
  },
});
