import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { openEmbeddedBus } from '../../../host/bus/embedded/embedded.ts';
import { countsConformance } from './counts-suite.ts';
import { ManualTime } from './manual-time.ts';
import { parkingConformance } from './parking-suite.ts';
import { stateConformance } from './state-suite.ts';
import { busConformance } from './suite.ts';
import { timersConformance } from './timers-suite.ts';

const start = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'gtpack-bus-'));
  const scheduler = new ManualTime();
  const windowMs = 60 * 60 * 1000;
  return {
    windowMs,
    open: () =>
      openEmbeddedBus({ file: join(folder, 'state', 'bus.db'), dedupeWindowMs: windowMs, scheduler }),
    advance: (ms: number) => scheduler.advance(ms),
    dispose: async () => {
      expect(scheduler.timers).toBe(0);
      await rm(folder, { recursive: true });
    },
  };
};

busConformance('embedded', start);
countsConformance('embedded', start);
stateConformance('embedded', start);
timersConformance('embedded', start);
parkingConformance('embedded', start);
