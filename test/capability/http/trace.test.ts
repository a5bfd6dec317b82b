import { expect, test } from 'vitest';
import { parseRequest } from '../../../host/capability/http/request.ts';
import { grant } from './outside.ts';

const allowed = grant({ hosts: ['https://api.test'] });
const SPAN = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
const request = (headers: object = {}): string => JSON.stringify({ url: 'https://api.test/', headers });

test('a request carries the span of its effect, unless it brings a traceparent of its own', () => {
  const sent = (text: string) => parseRequest(text, allowed, { trace: SPAN }).headers;
  expect(sent(request())).toContainEqual(['traceparent', SPAN]);
  const own = sent(request({ Traceparent: 'mine' })).filter(([name]) => name === 'traceparent');
  expect(own).toEqual([['traceparent', 'mine']]);
  expect(parseRequest(request(), allowed).headers.map(([name]) => name)).not.toContain('traceparent');
});

test.each([
  ['a line of its own', `${SPAN}\r\nx-evil: 1`],
  ['a version to come, which may go on as it likes', `01${SPAN.slice(2)}-${'x'.repeat(100_000)}`],
  ['other flags', `${SPAN.slice(0, -2)}ff`],
  ['a trace of zeros', SPAN.replaceAll('a', '0')],
])('a span that no host made is refused, and begins no header of its own: %s', (_, trace) => {
  expect(() => parseRequest(request(), allowed, { trace })).toThrow(
    expect.objectContaining({ code: 'http_request_invalid' }),
  );
});
