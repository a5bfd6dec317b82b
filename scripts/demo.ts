import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { run } from '../host/cli/program.ts';
import { openVendors, type Vendors, writeSecrets } from '../test/fakes/vendors.ts';

/** `npm start`: the demo bundle and the fakes of its vendors in one process, and what to try. */

const root = fileURLToPath(new URL('..', import.meta.url));
const bundle = fileURLToPath(new URL('../bundles/demo', import.meta.url));
const HOST = 'http://127.0.0.1:8080';
const PORTS = { sendgrid: 8091, twilio: 8092, warehouse: 8093 };

const controller = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // The second one: whoever sent it does not want to wait.
    if (controller.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143);
    controller.abort(signal);
  });
}
process.exitCode = await demo();

async function demo(): Promise<number> {
  let vendors: Vendors;
  try {
    vendors = await openVendors({
      events: `${HOST}/v1/events/ingress/events-email-sendgrid/demo/events`,
      ports: PORTS,
      print: (text) => process.stdout.write(`${text}\n`),
    });
  } catch (error) {
    process.stderr.write(
      `The fakes do not start: ${error instanceof Error ? error.message : String(error)}\nThey need the ports ${Object.values(PORTS).join(', ')} of 127.0.0.1.\n`,
    );
    return 1;
  }
  try {
    await writeSecrets(bundle, vendors);
    return await run(['up', bundle], {
      stdout: insteadOfWelcome(),
      stderr: process.stderr,
      stdin: process.stdin,
      cwd: root,
      env: process.env,
      showsProgress: true,
      asks: false,
      stop: controller.signal,
      now: Date.now,
    });
  } finally {
    await vendors.close();
  }
}

/** The host greets with what any bundle can be sent; the demo has a story of its own to tell. */
function insteadOfWelcome(): PassThrough {
  const stdout = new PassThrough();
  let greeting = '';
  let isGreeted = false;
  stdout.setEncoding('utf8').on('data', (text: string) => {
    if (isGreeted) {
      process.stdout.write(text);
      return;
    }
    greeting += text;
    if (!greeting.includes('Ctrl-C stops it.')) return;
    isGreeted = true;
    process.stdout.write(story(greeting.slice(greeting.indexOf('Tenant '))));
  });
  return stdout;
}

function story(tenants: string): string {
  const order = (id: number, tenant = 'demo'): string =>
    `curl -i -X POST ${HOST}/events/webhook/${tenant}/order.created -H 'content-type: application/json' -d '{"order":{"id":${id},"total":99.5,"email":"ann@example.org","phone":"+41791234567"}}'`;
  const warehouse = `http://127.0.0.1:${PORTS.warehouse}`;
  return `gtpack runs bundles/demo at ${HOST}, with fakes of SendGrid, Twilio and a warehouse: no account is needed,
and nothing leaves this machine. What arrives there shows up here. In another terminal:

1. An order is confirmed by email and SMS, and the warehouse sets it aside:
   ${order(42)}

2. The warehouse closes. The next order's event becomes a dead letter, and the owner gets an email:
   curl -X POST ${warehouse}/closed
   ${order(43)}
   npm run -s gtpack -- dlq list

3. It opens again, and the event is replayed; nobody gets a second email:
   curl -X POST ${warehouse}/open
   npm run -s gtpack -- dlq replay --all

4. The daily report, without waiting for the evening:
   npm run -s gtpack -- emit demo report.due

5. The other tenant answers by itself, and sees nothing of all this:
   ${order(42, 'acme')}

Watch every event and result as it passes, what was done outside, and how runs went:
   npm run -s gtpack -- tail
   npm run -s gtpack -- audit
   npm run -s gtpack -- runs list

${tenants}`;
}
