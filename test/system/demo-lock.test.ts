import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readLock } from '../../host/bundle/lock-file.ts';
import { readPack } from '../../host/pack/read-pack.ts';
import { packFile } from './packs.ts';

test("the demo's lock pins the packs that this repository builds, so that its first start approves what was reviewed", async () => {
  const { pins } = await readLock(fileURLToPath(new URL('../../bundles/demo', import.meta.url)));
  const names = ['events-webhook', 'events-timer', 'events-email-sendgrid', 'events-sms-twilio'] as const;
  const built: Record<string, string> = {};
  for (const name of names) built[`demo/${name}`] = (await readPack(await packFile(name))).digest;
  const pinned = [...pins].flatMap(([tenant, providers]) =>
    [...providers].map(([provider, { digest }]) => [`${tenant}/${provider}`, digest]),
  );
  expect(Object.fromEntries(pinned)).toEqual({
    ...built,
    'acme/events-webhook': built['demo/events-webhook'],
  });
}, 120_000);
