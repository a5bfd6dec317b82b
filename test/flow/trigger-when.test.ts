import { expect, test } from 'vitest';
import { FlowProgram } from '../../host/flow/executor.ts';
import { loadFlow } from '../../host/flow/load.ts';
import { RunEvent } from '../../host/flow/scope.ts';
import { DEFAULT_LIMITS } from '../../host/limits.ts';
import type { RunOutcome } from '../../host/sandbox/protocol.ts';
import { EVENT, type Harness, harness, RUN, scripts } from './harness.ts';

async function started(when: string, h: Harness = harness(), journal: string[] = []): Promise<RunOutcome> {
  const text = `
name: orders
version: "1"
nodes: [{ id: a, type: transform, config: { value: ran } }]
triggers: [{ type: event, event_type: ">", target: a, when: ${JSON.stringify(when)} }]
`;
  const flow = await loadFlow({ text, file: 'orders.ygtc', scripts: {} });
  const program = new FlowProgram([flow], { limits: DEFAULT_LIMITS, scripts, host: h.host });
  expect(program.problems()).toEqual([]);
  const order = { runId: RUN, flow: 'orders', trigger: 0, position: 1, journal };
  return program.run(order, new RunEvent(JSON.stringify(EVENT)), h.host);
}

test('an event that the trigger wants starts the run', async () => {
  const h = harness();
  expect(
    await started("event.payload.order.total > 50 && headers['x-github-event'] == 'push'", h),
  ).toMatchObject({
    status: 'ok',
    output: '"ran"',
  });
  expect(h.guarded[0]).toBe('flow orders, trigger 0');
});

test('an event that it does not want is passed over', async () => {
  expect(await started('event.payload.order.total > 100')).toMatchObject({
    status: 'passed',
    journalJson: '[]',
  });
});

test('a key that is missing makes it false', async () => {
  expect((await started('event.payload.nope.deep == 1')).status).toBe('passed');
});

test('any other error fails the run by name', async () => {
  const outcome = await started('event.payload.name > 3');
  expect(outcome).toMatchObject({ status: 'error', error: { code: 'expression_failed', retryable: false } });
});

test('a run that has begun goes on without asking again', async () => {
  const entry = JSON.stringify({ n: 0, node: 'a', status: 'ok', next: null, output: 'before', ms: 1 });
  expect(await started('false', harness(), [entry])).toMatchObject({ status: 'ok', output: '"before"' });
});
