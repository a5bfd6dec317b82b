import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { openEmbeddedBus } from '../../../host/bus/embedded/embedded.ts';
import { ManualTime } from './manual-time.ts';
import { busConformance } from './suite.ts';

busConformance('embedded', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'gtpack-bus-'));
  const scheduler = new ManualTime();
  const windowMs = 60 * 60 * 1000;
  return {
    windowMs,
    open: () =>
      openEmbeddedBus({ file: join(folder, 'state', 'bus.db'), dedupeWindowMs: windowMs, scheduler }),
    advance: (ms) => scheduler.advance(ms),
    dispose: async () => {
      expect(scheduler.timers).toBe(0);
      await rm(folder, { recursive: true });
    },
  };
});
