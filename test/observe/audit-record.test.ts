import { expect, test } from 'vitest';
import type { EffectRecord } from '../../host/capability/broker.ts';
import { parseTenantId } from '../../host/event/names.ts';
import { auditLine } from '../../host/observe/audit-record.ts';

const record: EffectRecord = {
  tenant: parseTenantId('acme'),
  source: 'hook',
  runId: null,
  node: null,
  trace: null,
  capability: 'http',
  fn: 'send',
  target: 'GET https://api.test/a',
  decision: 'denied',
  code: 'capability_denied',
  durationMs: 1.2345,
};
const context = {
  now: Date.parse('2026-01-02T03:04:05.678Z'),
  pack: 'acme.hook@1.0.0',
  redact: (text: string) => text,
};

test('a record says who did what, where, and how it ended', () => {
  expect(JSON.parse(auditLine(record, context))).toEqual({
    time: '2026-01-02T03:04:05.678Z',
    tenant: 'acme',
    provider: 'hook',
    pack: 'acme.hook@1.0.0',
    run: null,
    node: null,
    capability: 'http',
    fn: 'send',
    target: 'GET https://api.test/a',
    decision: 'denied',
    code: 'capability_denied',
    duration_ms: 1.2,
  });
});

test('a record of a flow names the flow, its run and node, and its span', () => {
  const line = auditLine(
    {
      ...record,
      ...{ source: 'flow:orders', runId: 'r1', node: 'ask' },
      trace: { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) },
    },
    { ...context, pack: null },
  );
  expect(JSON.parse(line)).toMatchObject({ flow: 'orders', run: 'r1', node: 'ask', pack: null });
  expect(JSON.parse(line)).toMatchObject({ trace: 'a'.repeat(32), span: 'b'.repeat(16) });
  expect(JSON.parse(line)).not.toHaveProperty('provider');
});

test('a target cannot steer a terminal, begin a line of its own or grow without bound', () => {
  const hostile = `\u001b[2J\n{"time":"x"}\u2028\u202e\u{e0041}\ud800${'x'.repeat(5000)}`;
  const line = auditLine({ ...record, target: hostile }, context);
  expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  expect(line.length).toBeLessThan(1500);
  expect(JSON.parse(line).target.startsWith(hostile.slice(0, 20))).toBe(true);
});

test('a target shows no secret, also where it is cut', () => {
  const redact = (text: string) => text.replaceAll('hush-hush', '[secret KEY]');
  const line = auditLine({ ...record, target: `${'x'.repeat(1020)}hush-hush` }, { ...context, redact });
  expect(line).not.toContain('hush');
});
