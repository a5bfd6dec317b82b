import { expect, test } from 'vitest';
import { timelineOf } from '../../host/cli/run-timeline.ts';
import { spanId } from '../../host/event/trace.ts';
import { stepKey } from '../../host/flow/step-key.ts';
import type { AuditLine } from '../../host/observe/audit-record.ts';

const RUN = '0123456789abcdef0123456789abcdef';
const run = { runId: RUN, eventId: 'e1' };

function audited(node: string, effect: string, fn = 'send'): AuditLine {
  return {
    time: '2026-01-02T03:04:05.678Z',
    tenant: 'demo',
    flow: 'orders',
    pack: null,
    run: RUN,
    node,
    trace: 'a'.repeat(32),
    span: spanId('effect', effect),
    capability: 'http',
    fn,
    target: 'GET https://api.test/a',
    decision: 'done',
    code: null,
    duration_ms: 12,
  };
}

test('a timeline says when each node began, how long it took, and what came in and out', () => {
  const trace = 'a'.repeat(32);
  const { steps, trace_id, span_id, parent_span_id } = timelineOf(
    run,
    [
      { node: 'a', status: 'ok', next: 'b', began: 1000, ms: 3, output: { x: 1 }, trace },
      { node: 'b', status: 'skipped', next: 'c', began: 1003, ms: 0 },
      {
        ...{ node: 'c', status: 'error', next: null, began: 1005, ms: 40 },
        tries: [{ code: 'http_timeout', message: 'late' }],
        error: { code: 'http_timeout', message: 'late again' },
      },
    ],
    [],
  );
  expect({ trace_id, span_id, parent_span_id }).toEqual({
    trace_id: 'a'.repeat(32),
    span_id: spanId('run', RUN),
    parent_span_id: spanId('event', 'e1'),
  });
  expect(steps).toMatchObject([
    { node: 'a', offset_ms: 0, duration_ms: 3, attempts: 1, output: { x: 1 } },
    { node: 'b', offset_ms: 3, status: 'skipped', input: { x: 1 } },
    { node: 'c', offset_ms: 5, duration_ms: 40, attempts: 2, status: 'error', input: { x: 1 } },
  ]);
  expect(steps[0]).not.toHaveProperty('input');
});

test('an effect stands at the step whose span it has, also where a node runs again and a provider does several', () => {
  const entry = { node: 'a', status: 'ok', next: 'a', began: 1, ms: 1 } as const;
  const [first, second] = [stepKey(RUN, '', 'a', 0), stepKey(RUN, '', 'a', 1)];
  const { steps } = timelineOf(
    run,
    [entry, entry],
    [
      audited('a', second, 'late'),
      audited('a', `${first}.http.1`, 'one'),
      audited('a', `${first}.http.2`, 'two'),
    ],
  );
  expect(steps.map(({ effects }) => effects.map(({ fn }) => fn))).toEqual([['one', 'two'], ['late']]);
  expect(steps[1]?.effects[0]?.span_id).toBe(spanId('effect', second));
});

test('a journal from before instants were recorded is shown without them', () => {
  const { steps, trace_id } = timelineOf(run, [{ node: 'a', status: 'ok', next: null, ms: 2 }], []);
  expect(trace_id).toBeNull();
  expect(steps).toMatchObject([{ node: 'a', offset_ms: null, duration_ms: 2 }]);
});

test('the nodes of a round are under the node whose round it is', () => {
  const entry = { status: 'ok', next: null, ms: 1 } as const;
  const { steps } = timelineOf(
    run,
    [
      { ...entry, node: 'first' },
      { ...entry, node: 'each' },
      { ...entry, node: 'inner', frame: '/1.0' },
      { ...entry, node: 'deep', frame: '/1.0/0.left' },
    ],
    [],
  );
  const [, each, inner, deep] = steps;
  expect(each?.parent_span_id).toBe(spanId('run', RUN));
  expect(inner?.parent_span_id).toBe(each?.span_id);
  expect(deep?.parent_span_id).toBe(inner?.span_id);
});
