import { describe, expect, test } from 'vitest';
import type { Flow, Trigger } from '../../host/flow/flow.ts';
import { FlowMatcher, runId } from '../../host/flow/match.ts';
import type { Schedule, WrittenPlan } from '../../host/written/schedule.ts';

function flow(name: string, ...triggers: Trigger[]): Flow {
  return {
    name,
    version: '1',
    digest: '',
    file: `${name}.ygtc`,
    nodes: [],
    triggers,
    scripts: {},
    answersWebhook: false,
  };
}

function on(pattern: string): Trigger {
  return { type: 'event', pattern, target: 'a' };
}

function matched(matcher: FlowMatcher, type: string, schedule?: string): string[] {
  const head = schedule === undefined ? { type } : { type, schedule };
  return matcher.match(head).map((match) => `${match.flow.name}/${match.trigger}`);
}

describe('an event trigger fires for the types that its pattern matches', () => {
  test.each([
    ['order.created', ['order.created'], ['order', 'order.created.x', 'order.paid', 'xorder.created']],
    ['order.*', ['order.created', 'order.paid'], ['order', 'order.created.x', 'orders.created']],
    ['*.created', ['order.created', 'user.created'], ['created', 'order.x.created', 'order.paid']],
    ['order.>', ['order.created', 'order.created.x.y'], ['order', 'orders.created']],
    ['>', ['order', 'order.created'], []],
    ['*', ['order'], ['order.created']],
    ['order.*.>', ['order.a.b', 'order.a.b.c'], ['order.a', 'order']],
  ])('%s', (pattern, yes, no) => {
    const matcher = new FlowMatcher([flow('f', on(pattern))]);
    for (const type of yes) expect(matched(matcher, type), type).toEqual(['f/0']);
    for (const type of no) expect(matched(matcher, type), type).toEqual([]);
  });
});

test('every matching trigger of every flow is a run of its own', () => {
  const matcher = new FlowMatcher([
    flow('a', on('order.created'), on('order.*')),
    flow('b', on('user.created'), on('order.created')),
    flow('c', on('order.created'), on('order.created')),
  ]);
  expect(matched(matcher, 'order.created')).toEqual(['a/0', 'b/1', 'c/0', 'c/1', 'a/1']);
});

test('a tick fires the timer of its schedule, and event triggers that match its type', () => {
  const timing: Schedule<WrittenPlan> = {
    plan: { kind: 'interval', everyMs: 1000 },
    catchUp: 'none',
    catchUpWindowMs: 0,
    overlap: 'skip',
    jitterMs: 0,
  };
  const matcher = new FlowMatcher([
    flow('a', { type: 'timer', schedule: 'flow:a/0', timing, target: 'x' }),
    flow('b', { type: 'timer', schedule: 'flow:b/0', timing, target: 'x' }, on('timer.*')),
  ]);
  expect(matched(matcher, 'timer.a', 'flow:a/0')).toEqual(['a/0', 'b/1']);
  expect(matched(matcher, 'timer.a')).toEqual(['b/1']);
  expect(matched(matcher, 'timer.a', 'flow:gone/0')).toEqual(['b/1']);
});

test('the id of a run depends on tenant, event, flow and trigger, and on nothing else', () => {
  const id = runId('acme', 'e1', 'orders', 0);
  expect(id).toMatch(/^[0-9a-f]{32}$/);
  expect(runId('acme', 'e1', 'orders', 0)).toBe(id);
  const others = [
    runId('acm', 'e1', 'orders', 0),
    runId('acme', 'e2', 'orders', 0),
    runId('acme', 'e1', 'order', 0),
    runId('acme', 'e1', 'orders', 1),
  ];
  expect(new Set([id, ...others]).size).toBe(5);
});
