import { expect, test } from 'vitest';
import { requestOf, text as verdict, verifier } from '../ingress/signature/signed.ts';
import { receiver } from './receiver.ts';
import { deliver, headersOf, type Sender } from './senders.ts';

const AT = 1_614_265_330_000;
const WHSEC = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

test('GitHub, Slack and Standard Webhooks sign as their published examples are signed', () => {
  expect(headersOf('github', 'Hello, World!', "It's a Secret to Everybody")).toMatchObject({
    'x-hub-signature-256': 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
  });
  const slack =
    'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c';
  expect(
    headersOf('slack', slack, '8f742231b10e8888abcd99yyyzzz85a5', { at: 1_531_420_618_000 }),
  ).toMatchObject({
    'x-slack-request-timestamp': '1531420618',
    'x-slack-signature': 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503',
  });
  expect(
    headersOf('standard-webhooks', '{"test": 2432232314}', WHSEC, {
      id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      at: AT,
    }),
  ).toEqual({
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  });
});

test.each<Sender>(['github', 'stripe', 'shopify', 'slack', 'standard-webhooks'])(
  'what %s sends is verified by the host, and nothing else is',
  async (sender) => {
    const inbox = await receiver();
    const body = '{"é":"1"}';
    await deliver(sender, `${inbox.url}/a`, body, WHSEC, { at: AT });
    const [{ headers } = { headers: {} }] = inbox.requests;
    const own = verifier({ [sender]: { secret: 'KEY' } }, { KEY: WHSEC });
    expect(verdict(own.verify(requestOf(body, headers), AT))).toBe(`verified ${sender}`);
    expect(verdict(own.verify(requestOf('{"é":"2"}', headers), AT))).toMatch(/^refused/);
    await inbox.close();
  },
);
