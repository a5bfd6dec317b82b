import { describe, expect, test } from 'vitest';
import { parseEventType, parseTenantId } from '../../host/event/names.ts';
import { runRecord } from '../../host/flow/settle.ts';
import { Metrics, type Readings } from '../../host/observe/metrics.ts';

const type = parseEventType('order.created');
const NONE = { now: 0, tenants: [], memory: [], cells: 0, cellHosts: 0, quarantined: 0 };
const delivery = { id: 'a"\\', type, json: '{}', sequence: 1, attempt: 1, redelivered: false };
const resultOf = (status: 'ok' | 'error', flow = 'orders'): string =>
  runRecord(delivery, { runId: 'f00d', flow, status, journalJson: '[]', durationMs: 1, output: '1' }, 'd')
    .resultJson;

const acme = parseTenantId('acme');
const loss = { reason: 'overrun', detail: '', job: 1, source: 'orders' } as const;

/** The lines of some metrics, without what explains them. */
async function linesOf(metrics: Metrics, pattern: RegExp, readings: Readings = NONE): Promise<string[]> {
  const text = await metrics.text(readings);
  return text.split('\n').filter((line) => !line.startsWith('#') && pattern.test(line));
}

describe('metrics', () => {
  test('say what a host did and has, in the text format of Prometheus', async () => {
    const metrics = new Metrics();
    metrics.listener([
      { kind: 'event', tenant: acme, type, json: '{}' },
      { kind: 'event', tenant: acme, type, json: '{}' },
      { kind: 'result', tenant: acme, type, json: resultOf('ok', 'a "quoted" \\ flow') },
      { kind: 'result', tenant: acme, type, json: resultOf('error') },
      { kind: 'dead_letter', tenant: acme, type, json: '{}' },
    ]);
    const effect = {
      tenant: acme,
      source: 'flow:a"b\\c\nd',
      runId: null,
      node: null,
      trace: null,
      fn: 'send',
      target: '',
    };
    metrics.effect({ ...effect, capability: 'http', decision: 'denied', code: 'x', durationMs: 1 });
    metrics.effect({ ...effect, capability: 'http', decision: 'done', code: null, durationMs: 1 });
    metrics.refused(acme, 'tenant_rate_exceeded');
    metrics.tick(acme, 'skipped');
    metrics.putOff(acme);
    metrics.recorded(acme, {
      journal: [
        { ordinal: 0, entry: '{"node":"a","ms":1,"status":"retrying","next":null}' },
        {
          ordinal: 0,
          entry: '{"node":"a","ms":1,"status":"ok","next":null,"output":"\\"status\\":\\"retrying\\""}',
        },
      ],
    });
    metrics.cellOpened(acme);
    metrics.cellLost(acme, loss, 250);
    metrics.cellLost(acme, { ...loss, reason: 'memory' }, 250);
    metrics.used(acme, [
      { source: 'orders', cpuMs: 500, memoryBytes: 7 },
      { source: 'flow:a', cpuMs: 0, memoryBytes: 0 },
    ]);
    const readings: Readings = {
      now: 10_000,
      tenants: new Map([
        ['acme', { pending: 3, deadLetters: 1, oldestAt: 7500 }],
        ['idle', { pending: 0, deadLetters: 0 }],
      ]),
      memory: [{ tenant: 'acme', source: 'orders', memoryBytes: 65_536 }],
      cells: 2,
      cellHosts: 1,
      quarantined: 4,
    };
    expect(await linesOf(metrics, /^gtpack_(?!run_duration|ingest_duration)/, readings)).toEqual([
      'gtpack_events_total{tenant="acme"} 2',
      'gtpack_requests_refused_total{tenant="acme",code="tenant_rate_exceeded"} 1',
      'gtpack_runs_total{tenant="acme",status="ok"} 1',
      'gtpack_runs_total{tenant="acme",status="error"} 1',
      'gtpack_dead_letters_total{tenant="acme"} 1',
      'gtpack_effects_total{tenant="acme",provider="flow:a\\"b\\\\c\\nd",capability="http",decision="denied"} 1',
      'gtpack_effects_total{tenant="acme",provider="flow:a\\"b\\\\c\\nd",capability="http",decision="done"} 1',
      'gtpack_denials_total{tenant="acme",provider="flow:a\\"b\\\\c\\nd",capability="http"} 1',
      'gtpack_retries_total{tenant="acme",of="event"} 1',
      'gtpack_retries_total{tenant="acme",of="node"} 1',
      'gtpack_ticks_total{tenant="acme",outcome="skipped"} 1',
      'gtpack_cells_opened_total{tenant="acme"} 1',
      'gtpack_cells_lost_total{tenant="acme",reason="overrun"} 1',
      'gtpack_cells_lost_total{tenant="acme",reason="memory"} 1',
      'gtpack_guest_cpu_seconds_total{tenant="acme",provider="orders"} 0.75',
      'gtpack_events_pending{tenant="acme"} 3',
      'gtpack_events_pending{tenant="idle"} 0',
      'gtpack_oldest_event_age_seconds{tenant="acme"} 2.5',
      'gtpack_dead_letters{tenant="acme"} 1',
      'gtpack_dead_letters{tenant="idle"} 0',
      'gtpack_guest_memory_bytes{tenant="acme",provider="orders"} 65536',
      'gtpack_cells 2',
      'gtpack_cell_hosts 1',
      'gtpack_quarantined 4',
    ]);
    // What is gone is not shown any more.
    expect(await linesOf(metrics, /pending|oldest|memory_bytes/)).toEqual([]);
  });

  test('measure runs and requests in histograms', async () => {
    const metrics = new Metrics();
    const tenant = acme;
    metrics.listener([{ kind: 'result', tenant, type, json: resultOf('ok') }]);
    expect(await metrics.ingest('acme', 'hook', async () => 7)).toBe(7);
    await expect(metrics.ingest('acme', 'hook', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await linesOf(metrics, /duration_seconds_count/)).toEqual([
      'gtpack_run_duration_seconds_count{tenant="acme"} 1',
      'gtpack_ingest_duration_seconds_count{tenant="acme",provider="hook"} 2',
    ]);
    expect(await linesOf(metrics, /run_duration_seconds_bucket\{le="0\.001"/)).toEqual([
      'gtpack_run_duration_seconds_bucket{le="0.001",tenant="acme"} 1',
    ]);
  });

  test('have a bound on the number of series: other tenants and providers are folded into one', async () => {
    const metrics = new Metrics();
    for (let at = 0; at < 3000; at += 1) {
      const tenant = parseTenantId(`t${at}`);
      metrics.listener([
        { kind: 'event', tenant, type, json: '{}' },
        { kind: 'result', tenant, type, json: resultOf('ok') },
      ]);
    }
    const events = await linesOf(metrics, /^gtpack_events_total\{/);
    expect(events).toHaveLength(1001);
    expect(events.at(-1)).toBe('gtpack_events_total{tenant="_other"} 2000');
    const durations = await linesOf(metrics, /^gtpack_run_duration_seconds_count\{/);
    expect(durations).toHaveLength(201);
    expect(durations.at(-1)).toBe('gtpack_run_duration_seconds_count{tenant="_other"} 2800');
    const tenants = new Map(events.map((_, at) => [`t${at}`, { pending: 1, deadLetters: 0 }]));
    const pending = await linesOf(metrics, /^gtpack_events_pending\{/, { ...NONE, tenants });
    expect([pending.length, pending.at(-1)]).toEqual([1001, 'gtpack_events_pending{tenant="_other"} 1']);
  });

  test('are of this host alone: another one in the process has its own, and nothing of the process is in them', async () => {
    const [one, other] = [new Metrics(), new Metrics()];
    one.cellOpened('acme');
    expect(await linesOf(other, /cells_opened/)).toEqual([]);
    expect(await linesOf(one, /^(?!gtpack_)./)).toEqual([]);
  });
});
