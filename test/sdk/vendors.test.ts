import { beforeAll, describe, expect, test } from 'vitest';
import { compileTypeScript } from '../../host/pack/compile-typescript.ts';
import { componentFactory } from './component.ts';
import { buildAssemblyScript, cachedBuild, Guest, repositoryPath } from './guest.ts';

/** What the host says: JSON, or a problem. */
let answer:
  | { readonly ok: unknown }
  | { readonly err: { code: string; message: string; retryable: boolean } };
const asked: string[] = [];
const twins = new Map<string, (operation: string, input: string) => unknown>();

function assemblyScriptHost(name: string) {
  return (text: string): string => {
    asked.push(`${name} ${text}`);
    return JSON.stringify(answer);
  };
}

/** The glue takes what is thrown for the error side. */
function componentHost(name: string) {
  return (text: string): string => {
    asked.push(`${name} ${text}`);
    if ('err' in answer) throw answer.err;
    return JSON.stringify(answer.ok);
  };
}

beforeAll(async () => {
  const wasm = await buildAssemblyScript('test/guests/vendors-as');
  const guest = new Guest(new Uint8Array(wasm), 'null', {
    sendgrid: { send: assemblyScriptHost('sendgrid') },
    twilio: { send: assemblyScriptHost('twilio') },
  });
  twins.set('AssemblyScript', (...texts) => JSON.parse(guest.call('invoke', ...texts)));
  const folder = 'test/guests/vendors-ts';
  const component = await cachedBuild(folder, () =>
    compileTypeScript(repositoryPath(folder), 'provider.ts', {
      exports: ['invoke'],
      imports: ['sendgrid', 'twilio'],
    }),
  );
  const instantiate = await componentFactory(component, 'null', {
    sendgrid: { send: componentHost('sendgrid') },
    twilio: { send: componentHost('twilio') },
  });
  const instance = instantiate();
  twins.set('TypeScript', (...texts) => instance.call('invoke', ...texts));
}, 120_000);

/** Calls both; what they ask the host for has to be the same text. @returns that text, and what both gave */
function call(operation: string, input: unknown, given: typeof answer): { asked: string; gave: unknown } {
  answer = given;
  asked.length = 0;
  const gave = [...twins.values()].map((twin) => twin(operation, JSON.stringify(input)));
  expect(gave[1]).toEqual(gave[0]);
  expect(asked).toHaveLength(2);
  expect(asked[1]).toBe(asked[0]);
  return { asked: asked[0] ?? '', gave: gave[0] };
}

const TEXT = 'é 😀 "x" \\ \u0001\n';
const wrong = (fn: string): unknown => ({
  err: {
    code: 'host_answer_invalid',
    message: `${fn}: the host's answer is not what the contract says.`,
    retryable: false,
  },
});

describe('sendgrid.send', () => {
  const message = { from: { email: 'a@example.com', name: TEXT }, subject: TEXT, content: [] };

  test('sends the document as it is, and gives the id of the message, or null', () => {
    for (const message_id of [TEXT, '', null]) {
      const receipt = { status: 202, message_id };
      const { asked: text, gave } = call('sendgrid_send', message, { ok: receipt });
      expect(gave).toEqual({ ok: receipt });
      expect(text).toBe(`sendgrid ${JSON.stringify(message)}`);
    }
  });

  test('gives a problem as it is, and one for an answer that its contract does not allow', () => {
    for (const retryable of [true, false]) {
      const err = { code: 'vendor_refused', message: TEXT, retryable };
      expect(call('sendgrid_send', message, { err }).gave).toEqual({ err });
    }
    for (const ok of [
      ...[null, 'x', [], {}, { status: 202 }, { message_id: 'x' }],
      ...[
        { status: 202, message_id: 1 },
        { status: '202', message_id: 'x' },
        { status: 1.5, message_id: null },
      ],
    ])
      expect(call('sendgrid_send', message, { ok }).gave).toEqual(wrong('sendgrid.send'));
  });
});

describe('twilio.send', () => {
  const receipt = {
    ...{ sid: 'SM1', status: 'queued', num_segments: 2, num_media: 0 },
    ...{ error_code: null, messaging_service_sid: null },
  };
  const given = { ok: receipt };

  test('sends what is named and nothing else', () => {
    for (const message of [
      { to: '+41791234567', body: TEXT },
      { to: '+41791234567', from: 'Sender', body: '' },
      { to: '+41791234567', messaging_service_sid: 'MG1', body: 'x', status_callback: true },
      { to: '+41791234567', media_urls: ['https://a.example/1', TEXT], status_callback: TEXT },
      { to: '+41791234567', body: 'x', validity_period: 60, send_at: TEXT, schedule_type: 'fixed' },
      { to: '+41791234567', content_sid: 'HX1', content_variables: { 1: TEXT } },
    ]) {
      const { asked: text, gave } = call('twilio_send', message, given);
      expect(gave).toEqual(given);
      expect(text).toBe(`twilio ${JSON.stringify(message)}`);
    }
  });

  test('gives what Twilio does not know yet as null, and leaves out what its contract does not name', () => {
    const bare = { sid: 'SM1', status: 'accepted' };
    const unknown = { num_segments: null, num_media: null, error_code: null, messaging_service_sid: null };
    for (const ok of [bare, { ...bare, ...unknown }, { ...bare, account_sid: 'AC1' }])
      expect(call('twilio_send', { to: 'a', body: 'b' }, { ok }).gave).toEqual({
        ok: { ...bare, ...unknown },
      });
    const all = { ...bare, num_segments: 1, num_media: 2, error_code: 30007, messaging_service_sid: TEXT };
    expect(call('twilio_send', { to: 'a', body: 'b' }, { ok: all }).gave).toEqual({ ok: all });
  });

  test('gives a problem as it is, and one for an answer that its contract does not allow', () => {
    const err = { code: 'capability_denied', message: TEXT, retryable: false };
    expect(call('twilio_send', { to: 'a', body: 'b' }, { err }).gave).toEqual({ err });
    for (const ok of [
      ...[null, 'x', [], {}, { sid: 'x' }, { status: 'x' }, { sid: 1, status: 'x' }],
      ...[
        { ...receipt, num_segments: '2' },
        { ...receipt, error_code: 1.5 },
        { ...receipt, num_media: [] },
      ],
      { ...receipt, messaging_service_sid: 1 },
    ])
      expect(call('twilio_send', { to: 'a', body: 'b' }, { ok }).gave).toEqual(wrong('twilio.send'));
  });
});
