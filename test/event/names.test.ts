import { describe, expect, test } from 'vitest';
import {
  type EnvName,
  type EventType,
  isEventId,
  parseEnvName,
  parseEventType,
  parseTenantId,
  quoted,
  type TenantId,
} from '../../host/event/names.ts';
import { deadLetterSubject, eventSubject, resultSubject } from '../../host/event/subject.ts';
import { readTraceparent, spanId, traceIdOf, traceparent } from '../../host/event/trace.ts';

describe('names', () => {
  test.each(['a', 'acme', '0', 'a-b_c', 'a'.repeat(63)])('%s is a tenant and an env', (name) => {
    expect(parseTenantId(name)).toBe(name);
    expect(parseEnvName(name)).toBe(name);
  });

  test.each([
    '',
    'a.b',
    '-a',
    '_a',
    'A',
    'a b',
    'a*',
    '>',
    'a/b',
    '..',
    'ä',
    'a\n',
    'a\0',
    'a'.repeat(64),
    '__proto__',
  ])('%j is neither a tenant nor an env', (name) => {
    expect(() => parseTenantId(name)).toThrow(expect.objectContaining({ code: 'tenant_invalid' }));
    expect(() => parseEnvName(name)).toThrow(expect.objectContaining({ code: 'env_invalid' }));
  });

  test.each(['a', 'order.created', '_.-', 'result.a', 'a.results', '1.2.3.4.5.6.7.8', 'a'.repeat(128)])(
    '%s is an event type',
    (type) => {
      expect(parseEventType(type)).toBe(type);
    },
  );

  test.each([
    ['', 'has an empty token'],
    ['order..created', 'has an empty token'],
    ['.order', 'has an empty token'],
    ['order.', 'has an empty token'],
    ['order.*', 'has the token "*"; a token is made of a to z, 0 to 9, _ and -'],
    ['>', 'has the token ">"'],
    ['order created', 'has the token "order created"'],
    ['Order', 'has the token "Order"'],
    ['a\n', 'has the token "a\\n"'],
    ['é', 'has the token "é"'],
    ['a'.repeat(129), 'is 129 characters long; at most 128 are allowed'],
    ['é'.repeat(128), 'has the token'],
    ['1.2.3.4.5.6.7.8.9', 'has 9 tokens; at most 8 are allowed'],
    ['order.result', "ends in 'result'"],
    ['result', "ends in 'result'"],
  ])('the event type %j is refused with the reason', (type, reason) => {
    expect(() => parseEventType(type)).toThrow(expect.objectContaining({ code: 'event_type_invalid' }));
    expect(() => parseEventType(type)).toThrow(reason);
  });

  test('what a message quotes is cut and holds no control characters', () => {
    expect(quoted(`\u001b[31m${'a'.repeat(300)}`)).toMatch(/^"\\u001b\[31ma{75}…"$/);
    expect(quoted('\u009b31m\u202e\u2028')).toBe('"\\u{9b}31m\\u{202e}\\u{2028}"');
    expect(quoted(`${'a'.repeat(79)}😀b`).isWellFormed()).toBe(true);
  });

  test.each(['a', 'evt_1', '~!', 'x'.repeat(128)])('%s is an id', (id) => {
    expect(isEventId(id)).toBe(true);
  });

  test.each(['', ' ', 'a b', 'é', 'a\n', 'a\0', 'x'.repeat(129)])('%j is no id', (id) => {
    expect(isEventId(id)).toBe(false);
  });
});

test('subjects are those of DESIGN', () => {
  const [env, tenant, type] = ['dev' as EnvName, 'acme' as TenantId, 'order.created' as EventType];
  expect(eventSubject(env, tenant, type)).toBe('greentic.events.dev.acme.order.created');
  expect(resultSubject(env, tenant, type)).toBe('greentic.events.dev.acme.order.created.result');
  expect(deadLetterSubject(env, tenant, type)).toBe('greentic.dlq.dev.acme.order.created');
});

describe('the trace of a request', () => {
  const trace = '0af7651916cd43dd8448eb211c80319c';
  const span = 'b7ad6b7169203331';

  test.each([`00-${trace}-${span}-01`, `00-${trace}-${span}-00`, `cc-${trace}-${span}-01-more`])(
    'is taken from %s',
    (header) => expect(traceIdOf(header)).toBe(trace),
  );

  test('is passed on with a span that is the same wherever it is made', () => {
    const made = spanId('event', 'e1');
    expect(traceparent(trace, made)).toBe(`00-${trace}-${made}-01`);
    expect(readTraceparent(traceparent(trace, spanId('event', 'e1')))).toEqual({
      traceId: trace,
      spanId: made,
    });
    expect(spanId('run', 'e1')).not.toBe(made);
    expect(traceparent('not a trace', made)).toBeUndefined();
  });

  test.each([
    undefined,
    '',
    `00-${trace}-${span}`,
    `00-${trace}-${span}-01-more`,
    `ff-${trace}-${span}-01`,
    `00-${trace.toUpperCase()}-${span}-01`,
    `00-${'0'.repeat(32)}-${span}-01`,
    `00-${trace}-${'0'.repeat(16)}-01`,
    `00-${trace}-${span}-01\n`,
  ])('is not taken from %j', (header) => expect(traceIdOf(header)).toBeUndefined());
});
