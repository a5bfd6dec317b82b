import { expect, test } from 'vitest';
import { hostLog, type SourcePlace, sourceSubject } from '../../host/observe/host-log.ts';
import type { HostLogLine } from '../../host/running-host.ts';

function lineOf(place: SourcePlace, source = 'guest', pack?: string): HostLogLine | undefined {
  const lines: HostLogLine[] = [];
  hostLog((line) => lines.push(line)).info(sourceSubject('alpha', source, pack, place), 'said');
  return lines[0];
}

test('a line names the provider or flow, its pack, run, node and trace, as far as they are known', () => {
  const place = { run: 'r', node: 'n', trace: 't' };
  expect(lineOf(place, 'guest', 'shop@1.0.0')).toEqual({
    ...{ level: 'info', message: 'said', tenant: 'alpha', provider: 'guest', pack: 'shop@1.0.0' },
    ...place,
  });
  expect(lineOf({ run: null }, 'flow:on_order')).toEqual({
    ...{ level: 'info', message: 'said', tenant: 'alpha', flow: 'on_order' },
  });
});

test('a cell that says where it wrote a line does not speak for another tenant or pack, nor past what it said', () => {
  const forged = {
    tenant: 'beta',
    provider: 'other',
    pack: 'other@1.0.0',
    level: 'error',
    message: 'forged',
  };
  expect(lineOf({ run: 'r', ...forged } as SourcePlace)).toEqual({
    ...{ level: 'info', message: 'said', tenant: 'alpha', provider: 'guest', run: 'r' },
  });
});
