import { expect, test } from 'vitest';
import type { NatsOptions } from '../../host/bundle/bundle.ts';
import { durabilityOn, natsDurability } from '../../host/deploy/doctor/nats-durability.ts';
import { parseEnvName } from '../../host/event/names.ts';
import { freePort, NatsServer, natsServerPath } from '../nats/server.ts';

const file = '/srv/bundle.yaml';
const env = parseEnvName('prod');

function options(server: string): NatsOptions {
  return {
    ...{ kind: 'nats', servers: [server], credentials: null, tls: null },
    ...{ replicas: 1, retentionMs: 1000, maxBytes: null },
  };
}

test.each([
  ['2.9.10', 'warning'],
  ['2.10.0', 'info'],
  ['2.11.0-preview.2', 'info'],
  ['2.12.1', 'info'],
  ['3.0.0', 'info'],
  ['unknown', 'warning'],
] as const)('B1 of NATS %s what survives a power loss is a matter of %s', (version, severity) => {
  const finding = durabilityOn(version, 1, file);
  expect(finding).toMatchObject({ severity, code: 'durability', file });
  expect(finding.message).toContain(`NATS ${version}`);
  expect(finding.message).toContain(
    severity === 'info' ? 'sync_interval: always' : 'does not survive a power loss',
  );
});

test('three copies are said to survive the loss of a server', () => {
  expect(durabilityOn('2.10.0', 3, file).message).toContain('3 servers, and is stored by most of them');
});

test.skipIf(natsServerPath() === undefined)(
  'the server that the bundle names is asked for its version',
  async () => {
    await using server = await NatsServer.start();
    const [finding, ...more] = await natsDurability({ env, bus: options(server.url), file });
    expect(more).toEqual([]);
    expect(finding).toMatchObject({
      code: 'durability',
      message: expect.stringMatching(/on NATS \d+\.\d+\.\d+:/),
    });
  },
);

test('a server that cannot be reached is an error with a cure: no host would start', async () => {
  const server = `127.0.0.1:${await freePort()}`;
  expect(await natsDurability({ env, bus: options(server), file })).toMatchObject([
    { severity: 'error', code: 'bus_unreachable', file, cure: expect.stringContaining('bus.servers') },
  ]);
});
