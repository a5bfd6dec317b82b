import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { openEmbeddedBus } from '../../host/bus/embedded/embedded.ts';
import { schedulesConformance } from '../conformance/bus/schedules.ts';
import { temporaryFolder } from './fixture/folder.ts';

schedulesConformance('embedded', async () => {
  const file = join(temporaryFolder(), 'bus.db');
  const open = () => openEmbeddedBus({ file });
  let bus = await open();
  onTestFinished(() => bus.close());
  return {
    bus: () => bus,
    reopen: async () => {
      await bus.close();
      bus = await open();
    },
  };
});
