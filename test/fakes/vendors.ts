import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mailText, orderText, smsText } from './printed.ts';
import { type FakeSendgrid, openSendgrid } from './sendgrid/sendgrid.ts';
import type { TakenMail } from './sendgrid/webhooks.ts';
import type { Message } from './twilio/message.ts';
import { type FakeTwilio, openTwilio } from './twilio/twilio.ts';
import { type FakeWarehouse, openWarehouse } from './warehouse.ts';

export const ACCOUNT = `AC${'0'.repeat(32)}`;
export const SENDER = '+15005550006';

export interface VendorsOptions {
  /** Where SendGrid's events go to; without it none do. */
  readonly events?: string;
  readonly ports?: { readonly sendgrid: number; readonly twilio: number; readonly warehouse: number };
  /** Default: new ones. */
  readonly keys?: { readonly sendgrid: string; readonly twilio: string };
  /** Is given whatever arrives, as text for people. */
  readonly print: (text: string) => void;
}

/** The vendors of the demo, each of which tells the host what becomes of what it took. */
export interface Vendors {
  readonly sendgrid: FakeSendgrid;
  readonly twilio: FakeTwilio;
  readonly warehouse: FakeWarehouse;
  /** What a bundle needs to speak with them. */
  readonly secrets: Readonly<Record<VendorSecret, string>>;
  close(): Promise<void>;
}

export type VendorSecret = 'sendgrid-key' | 'sendgrid-webhook' | 'twilio-token';

export async function openVendors(options: VendorsOptions): Promise<Vendors> {
  const { events, ports, print } = options;
  const keys = options.keys ?? { sendgrid: `SG.${newKey()}`, twilio: newKey() };
  const callbacks = new Set<Promise<void>>();
  const after = (work: Promise<void>): void => {
    const done = work.finally(() => callbacks.delete(done));
    callbacks.add(done);
  };
  const sendgrid = await openSendgrid({
    apiKey: keys.sendgrid,
    verifiedSenders: ['example.com'],
    ...(ports === undefined ? {} : { port: ports.sendgrid }),
    onMail: (taken) => {
      print(mailText(taken));
      if (events !== undefined) after(report(events, taken));
    },
  });
  const twilio = await openTwilio({
    accountSid: ACCOUNT,
    authToken: keys.twilio,
    senders: [SENDER],
    ...(ports === undefined ? {} : { port: ports.twilio }),
    onMessage: (message) => {
      print(smsText(message));
      const callback = message.form.get('StatusCallback');
      if (callback !== null) after(follow(callback, message));
    },
  });
  const warehouse = await openWarehouse({
    ...(ports === undefined ? {} : { port: ports.warehouse }),
    onOrder: (order) => print(orderText(order)),
  });

  const report = async (url: string, taken: TakenMail): Promise<void> => {
    for (const kind of ['processed', 'delivered']) {
      const batch = sendgrid.webhooks.eventsOf(taken, kind);
      await told('SendGrid', kind, sendgrid.webhooks.sendEvents(url, batch));
    }
  };
  const follow = async (url: string, message: Message): Promise<void> => {
    for (const status of ['sent', 'delivered'])
      await told('Twilio', status, twilio.webhooks.sendStatus(url, message, status));
  };
  const told = async (
    vendor: string,
    what: string,
    sent: Promise<{ readonly status: number }>,
  ): Promise<void> => {
    try {
      print(`   ${vendor} reports: ${what}. The host answers ${(await sent).status}.`);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      print(`   ${vendor} cannot report ${what}: ${why}`);
    }
  };

  return {
    sendgrid,
    twilio,
    warehouse,
    secrets: {
      'sendgrid-key': keys.sendgrid,
      'sendgrid-webhook': sendgrid.webhooks.publicKey,
      'twilio-token': keys.twilio,
    },
    close: async () => {
      await Promise.all(callbacks);
      await Promise.all([sendgrid.close(), twilio.close(), warehouse.close()]);
    },
  };
}

/** Where `bundles/demo` looks for them. */
export async function writeSecrets(bundle: string, { secrets }: Pick<Vendors, 'secrets'>): Promise<void> {
  const folder = join(bundle, '.gtpack', 'fakes');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const [name, value] of Object.entries(secrets))
    await writeFile(join(folder, name), `${value}\n`, { mode: 0o600 });
}

function newKey(): string {
  return randomBytes(24).toString('base64url');
}
