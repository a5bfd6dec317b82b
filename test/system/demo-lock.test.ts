import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readLock } from '../../host/bundle/lock-file.ts';
import { readPack } from '../../host/pack/read-pack.ts';
import { packFile } from './packs.ts';

test("the demo's lock pins the packs that this repository builds, so that its first start approves what was reviewed", async () => {
  const { pins } = await readLock(fileURLToPath(new URL('../../bundles/demo', import.meta.url)));
  const digestOf = async (name: 'events-webhook' | 'events-timer') =>
    (await readPack(await packFile(name))).digest;
  const webhook = await digestOf('events-webhook');
  const pinned = [...pins].flatMap(([tenant, providers]) =>
    [...providers].map(([provider, { digest }]) => [`${tenant}/${provider}`, digest]),
  );
  expect(Object.fromEntries(pinned)).toEqual({
    'acme/events-webhook': webhook,
    'demo/events-timer': await digestOf('events-timer'),
    'demo/events-webhook': webhook,
  });
});
