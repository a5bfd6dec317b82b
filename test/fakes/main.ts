import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { ACCOUNT, openVendors, SENDER } from './vendors.ts';

/** `npm run fakes`: all fakes, for trying things by hand; whatever arrives is printed. */

const USAGE = `npm run fakes -- [--sendgrid-port 8091] [--twilio-port 8092] [--warehouse-port 8093] [--events URL] [--public-key FILE]

  --events URL        where SendGrid's Event Webhook goes to: each email is reported as processed and delivered
  --public-key FILE   the key that it signs them by is written there, for the bundle's secrets: { NAME: "file:FILE" }`;

const { values } = parseArgs({
  options: {
    'sendgrid-port': { type: 'string', default: '8091' },
    'twilio-port': { type: 'string', default: '8092' },
    'warehouse-port': { type: 'string', default: '8093' },
    events: { type: 'string' },
    'public-key': { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const print = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

if (values.help) {
  print(USAGE);
} else {
  try {
    await start();
  } catch (error) {
    process.stderr.write(
      `The fakes do not start: ${error instanceof Error ? error.message : String(error)}\n`,
    );
    process.exitCode = 1;
  }
}

async function start(): Promise<void> {
  const { events } = values;
  const vendors = await openVendors({
    ports: {
      sendgrid: Number(values['sendgrid-port']),
      twilio: Number(values['twilio-port']),
      warehouse: Number(values['warehouse-port']),
    },
    keys: { sendgrid: 'SG.fake', twilio: 'fake' },
    ...(events === undefined ? {} : { events }),
    print,
  });
  const { sendgrid, twilio, warehouse } = vendors;
  const keyFile = values['public-key'];
  if (keyFile !== undefined) await writeFile(keyFile, `${sendgrid.webhooks.publicKey}\n`);
  print(`SendGrid   ${sendgrid.url}   key SG.fake, senders at example.com
           webhooks are signed; the public key is
           ${sendgrid.webhooks.publicKey}
Twilio     ${twilio.url}   account ${ACCOUNT}, token fake, sender ${SENDER}
Warehouse  ${warehouse.url}   POST /closed and /open close and open it
Ctrl+C ends them.
`);
  const stop = (): void => void vendors.close();
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
}
