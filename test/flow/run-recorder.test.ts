import { expect, test } from 'vitest';
import type { JournalEntry } from '../../host/bus/bus.ts';
import { parseTenantId } from '../../host/event/names.ts';
import { RunRecorder } from '../../host/flow/run-recorder.ts';

test('an entry is written into the run that was checked, whatever run it names besides', async () => {
  const recorded: JournalEntry[] = [];
  const recorder = new RunRecorder({
    publish: async (_, __, journal = []) => {
      recorded.push(...journal);
      return [];
    },
  });
  const forged = { ordinal: 0, entry: '{}', runId: 'of-another-tenant' };
  await recorder.record(parseTenantId('alpha'), { runId: 'own', journal: [forged] });
  expect(recorded).toEqual([{ runId: 'own', ordinal: 0, entry: '{}' }]);
});
