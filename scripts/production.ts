import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../host/cli/program.ts';
import { approveAll } from './approve.ts';

/** `npm run build:production`: signs the packs for `bundles/production`, and approves them there. */

const root = fileURLToPath(new URL('..', import.meta.url));
const bundle = join('bundles', 'production');
const key = join(bundle, 'publisher.key');
const PACKS = ['events-webhook', 'events-timer', 'events-email-sendgrid', 'events-sms-twilio'];

/** Ends the process where a command does not succeed; it has said why. */
async function gtpack(...argv: readonly string[]): Promise<void> {
  const status = await run(argv, {
    stdout: process.stdout,
    stderr: process.stderr,
    stdin: process.stdin,
    cwd: root,
    env: process.env,
    showsProgress: false,
    asks: false,
    stop: new AbortController().signal,
    now: Date.now,
  });
  if (status !== 0) process.exit(status);
}

if (!existsSync(join(root, key))) await gtpack('keygen', key);
for (const name of PACKS) {
  const file = join('providers', 'events', `${name}.gtpack`);
  await gtpack('pack', 'sign', join('bundles', 'demo', file), '--key', key, '--out', join(bundle, file));
}
const pins = await approveAll(join(root, bundle));
const approved = [...pins].flatMap(([tenant, providers]) =>
  [...providers].map(([id, { grants }]) => `  ${tenant}/${id}, granted ${grants.join(', ') || 'nothing'}`),
);
process.stdout.write(`Approved in ${join(bundle, 'gtpack.lock')}:\n${approved.join('\n')}\n`);
