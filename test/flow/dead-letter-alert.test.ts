import { describe, expect, test } from 'vitest';
import { parseEventType } from '../../host/event/names.ts';
import { DeadLetterAlerts } from '../../host/flow/dead-letter-alert.ts';

const alerts = new DeadLetterAlerts(() => 1_700_000_000_000);

function dead(type: string, json: string) {
  return { id: 'e1', type: parseEventType(type), json, sequence: 1, attempt: 5, redelivered: false };
}

const event = (hops: number): string =>
  JSON.stringify({
    id: 'e1',
    payload: { metadata: { hops: 0 } },
    metadata: { trace_id: 'a'.repeat(32), correlation_id: 'first', hops },
  });

describe('the alert of a dead letter', () => {
  test('says which event died, of what type, why, after how many attempts and in which flow', () => {
    const alert = alerts.of(dead('order.created', event(2)), 'Flow orders: boom', 'orders');
    expect(alert).toMatchObject({ id: expect.stringMatching(/^[0-9a-f-]{36}$/), type: 'host.dead_letter' });
    expect(JSON.parse(alert?.json ?? '')).toEqual({
      id: alert?.id,
      event_type: 'host.dead_letter',
      source: 'host',
      timestamp: 1_700_000_000_000,
      payload: {
        id: 'e1',
        type: 'order.created',
        reason: 'Flow orders: boom',
        attempts: 5,
        flow: 'orders',
      },
      metadata: {
        trace_id: 'a'.repeat(32),
        correlation_id: 'first',
        causation_id: 'e1',
        hops: 3,
      },
    });
  });

  test('each is an event of its own', () => {
    const one = alerts.of(dead('a', event(0)), 'no', null);
    const two = alerts.of(dead('a', event(0)), 'no', null);
    expect(one?.id).not.toBe(two?.id);
  });

  test('there is none of an alert that died', () => {
    expect(alerts.of(dead('host.dead_letter', event(0)), 'no', 'watch')).toBeUndefined();
  });

  test('a chain of events that die and alerts that cause them ends after 16 hops', () => {
    expect(alerts.of(dead('a', event(15)), 'no', null)).toBeDefined();
    expect(alerts.of(dead('a', event(16)), 'no', null)).toBeUndefined();
  });

  test.each(['no JSON', 'null', '[]', '{"metadata":null}', '{"metadata":{"hops":"9"}}'])(
    'there is one of an event that says %s, too',
    (json) => {
      expect(JSON.parse(alerts.of(dead('a', json), 'no', null)?.json ?? '').metadata).toMatchObject({
        causation_id: 'e1',
        hops: 1,
      });
    },
  );

  test('a reason of any length fits, well-formed', () => {
    const reason = `${'x'.repeat(4095)}😀${'y'.repeat(1_000_000)}`;
    const { payload } = JSON.parse(alerts.of(dead('a', event(0)), reason, null)?.json ?? '');
    expect(payload.reason).toHaveLength(4097);
    expect(payload.reason.isWellFormed()).toBe(true);
  });
});
