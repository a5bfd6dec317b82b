import { describe, expect, test } from 'vitest';
import { parseEventType, parseTenantId } from '../../host/event/names.ts';
import { runRecord } from '../../host/flow/settle.ts';
import { Metrics } from '../../host/observe/metrics.ts';

const type = parseEventType('order.created');
const NONE = { tenants: [], cells: 0, cellHosts: 0, quarantined: 0 };
const delivery = { id: 'a"\\', type, json: '{}', sequence: 1, attempt: 1, redelivered: false };
const resultOf = (status: 'ok' | 'error', flow = 'orders'): string =>
  runRecord(delivery, { runId: 'f00d', flow, status, journalJson: '[]', durationMs: 1, output: '1' }, 'd')
    .resultJson;

describe('metrics', () => {
  test('say what a host did and has, in the text format of Prometheus', () => {
    const metrics = new Metrics();
    const tenant = parseTenantId('acme');
    metrics.listener([
      { kind: 'event', tenant, type, json: '{}' },
      { kind: 'event', tenant, type, json: '{}' },
      { kind: 'result', tenant, type, json: resultOf('ok', 'a "quoted" \\ flow') },
      { kind: 'result', tenant, type, json: resultOf('error') },
      { kind: 'dead_letter', tenant, type, json: '{}' },
    ]);
    const effect = { tenant, source: 'flow:a"b\\c\nd', runId: null, node: null, fn: 'send', target: '' };
    metrics.effect({ ...effect, capability: 'http', decision: 'denied', code: 'x', durationMs: 1 });
    expect(
      metrics.text({
        tenants: new Map([['acme', { pending: 3, deadLetters: 1 }]]),
        cells: 2,
        cellHosts: 1,
        quarantined: 4,
      }),
    ).toMatchInlineSnapshot(`
      "# HELP gtpack_events_total Events stored.
      # TYPE gtpack_events_total counter
      gtpack_events_total{tenant="acme"} 2
      # HELP gtpack_runs_total Runs that ended, by their status.
      # TYPE gtpack_runs_total counter
      gtpack_runs_total{tenant="acme",status="ok"} 1
      gtpack_runs_total{tenant="acme",status="error"} 1
      # HELP gtpack_dead_letters_total Events that became dead letters.
      # TYPE gtpack_dead_letters_total counter
      gtpack_dead_letters_total{tenant="acme"} 1
      # HELP gtpack_effects_total Effects that were asked for, by what became of them.
      # TYPE gtpack_effects_total counter
      gtpack_effects_total{tenant="acme",provider="flow:a\\"b\\\\c\\nd",capability="http",decision="denied"} 1
      # HELP gtpack_events_pending Events stored and not settled.
      # TYPE gtpack_events_pending gauge
      gtpack_events_pending{tenant="acme"} 3
      # HELP gtpack_dead_letters Dead letters in the store.
      # TYPE gtpack_dead_letters gauge
      gtpack_dead_letters{tenant="acme"} 1
      # HELP gtpack_cells Cells that live.
      # TYPE gtpack_cells gauge
      gtpack_cells 2
      # HELP gtpack_cell_hosts Cell hosts that live.
      # TYPE gtpack_cell_hosts gauge
      gtpack_cell_hosts 1
      # HELP gtpack_quarantined Providers and flows that are held back.
      # TYPE gtpack_quarantined gauge
      gtpack_quarantined 4
      "
    `);
  });

  test('have a bound on the number of series: other tenants and providers are folded into one', () => {
    const metrics = new Metrics();
    for (let at = 0; at < 3000; at += 1)
      metrics.listener([{ kind: 'event', tenant: parseTenantId(`t${at}`), type, json: '{}' }]);
    const lines = metrics
      .text(NONE)
      .split('\n')
      .filter((line) => line.startsWith('gtpack_events_total{'));
    expect(lines).toHaveLength(1001);
    expect(lines.at(-1)).toBe('gtpack_events_total{tenant="_other"} 2000');
  });
});
