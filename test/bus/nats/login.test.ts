import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { credentialsOf } from '../../../host/bus/nats/credentials.ts';
import { NatsBus, type NatsBusOptions } from '../../../host/bus/nats/nats.ts';
import { parseEnvName } from '../../../host/event/names.ts';
import { certificate } from '../../capability/http/certificate.ts';
import { ACME, Collector, message } from '../../conformance/bus/collector.ts';
import { describeNats, optionsOf } from '../../nats/fixture.ts';
import { NatsServer } from '../../nats/server.ts';
import { temporaryFolder } from '../fixture/folder.ts';
import { jwt, type Nkey, nkey } from './nkey.ts';

const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

async function started(config: string): Promise<NatsServer> {
  const server = await NatsServer.start({ config });
  opened.push(server);
  return server;
}

const open = (server: NatsServer, more: Partial<NatsBusOptions>): Promise<NatsBus> =>
  NatsBus.open({ ...optionsOf(server.url, parseEnvName('prod')), ...more });

/** A host's bus works: an event goes to the server and comes back. */
async function works(server: NatsServer, more: Partial<NatsBusOptions>): Promise<void> {
  const bus = await open(server, more);
  opened.push({ [Symbol.asyncDispose]: () => bus.close() });
  const collector = await Collector.start(bus, ACME);
  await bus.publish(ACME, [message('one')]);
  await collector.until(1);
  expect(collector.ids).toEqual(['one']);
}

async function pems(name: string, names: readonly string[]) {
  const { cert, key } = certificate(names);
  const folder = temporaryFolder();
  const files = { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
  await writeFile(files.cert, cert);
  await writeFile(files.key, key);
  return files;
}

const quoted = (text: string) => JSON.stringify(text);

describeNats('a server that asks for TLS', () => {
  test('is trusted by the authority that the bundle names, and by no other, also where the bundle says nothing of TLS', async () => {
    const [theirs, stranger] = [await pems('server', ['127.0.0.1']), await pems('stranger', ['127.0.0.1'])];
    const server = await started(
      `tls { cert_file: ${quoted(theirs.cert)}, key_file: ${quoted(theirs.key)}, timeout: 5 }`,
    );
    await works(server, { tls: { ca: theirs.cert } });
    for (const tls of [{ ca: stranger.cert }, {}, null]) {
      const refused = open(server, { tls });
      await expect(refused).rejects.toMatchObject({ code: 'bus_unreachable' });
      await expect(refused).rejects.toThrow(
        /certificate of the NATS server at 127\.0\.0\.1:\d+ is not trusted/,
      );
      await expect(refused).rejects.toThrow('bus.tls.ca');
    }
  });

  test('with a certificate for another name is refused', async () => {
    // Node takes "localhost" for the name of a server that has none.
    const theirs = await pems('server', ['localhost', 'nats.example.com', '127.0.0.2']);
    const server = await started(
      `tls { cert_file: ${quoted(theirs.cert)}, key_file: ${quoted(theirs.key)}, timeout: 5 }`,
    );
    const refused = open(server, { tls: { ca: theirs.cert } });
    await expect(refused).rejects.toMatchObject({ code: 'bus_unreachable' });
    await expect(refused).rejects.toThrow(/is not trusted: .*127\.0\.0\.1 is not in the cert's list/);
    await works(server, { tls: { ca: theirs.cert }, servers: [`localhost:${server.port}`] });
  });

  test('and for the certificate of its clients is shown that of the bundle, and refuses who has none', async () => {
    const [theirs, ours] = [await pems('server', ['127.0.0.1']), await pems('host', ['host'])];
    const server = await started(
      `tls { cert_file: ${quoted(theirs.cert)}, key_file: ${quoted(theirs.key)}, ca_file: ${quoted(ours.cert)}, verify: true, timeout: 5 }`,
    );
    await works(server, { tls: { ca: theirs.cert, cert: ours.cert, key: ours.key } });
    const refused = open(server, { tls: { ca: theirs.cert }, requestTimeoutMs: 300 });
    await expect(refused).rejects.toMatchObject({ code: 'bus_unreachable' });
    await expect(refused).rejects.toThrow('bus.tls.cert');
  });
});

describeNats('a server that asks who its clients are', () => {
  const refusedBy = async (server: NatsServer, text: string) => {
    const refused = open(server, { credentials: credentialsOf(text) });
    await expect(refused).rejects.toMatchObject({ code: 'bus_refused' });
    await expect(refused).rejects.toThrow(`at ${server.url} refuses the credentials`);
    await expect(refused).rejects.toThrow('bus.credentials');
    const error: unknown = await refused.catch((thrown: unknown) => thrown);
    expect(String(error)).not.toContain(text);
  };

  test('is answered with the seed of an nkey, and refuses that of another', async () => {
    const [host, stranger] = [nkey('user'), nkey('user')];
    const server = await started(
      `accounts { HOSTS: { jetstream: enabled, users: [ { nkey: ${host.name} } ] } }`,
    );
    await works(server, { credentials: credentialsOf(`${host.seed}\n`) });
    await refusedBy(server, stranger.seed);
  });

  test('is answered with a token, and refuses another', async () => {
    const server = await started('authorization { token: "open-sesame" }');
    await works(server, { credentials: credentialsOf('open-sesame') });
    await refusedBy(server, 'open-barley');
  });

  test('is answered with a file of credentials, and refuses that of another account', async () => {
    const [operator, system, account, stranger] = [
      nkey('operator'),
      nkey('account'),
      nkey('account'),
      nkey('account'),
    ];
    const accountOf = (key: Nkey, jetstream: object) =>
      jwt(operator, key.name, {
        ...{ type: 'account', version: 2 },
        limits: { ...UNLIMITED, ...jetstream },
      });
    const server = await started(`
      operator: ${jwt(operator, operator.name, { type: 'operator', version: 2, system_account: system.name })}
      system_account: ${system.name}
      resolver: MEMORY
      resolver_preload: {
        ${system.name}: ${accountOf(system, {})}
        ${account.name}: ${accountOf(account, { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 })}
      }`);
    await works(server, { credentials: credentialsOf(credsOf(account)) });
    await refusedBy(server, credsOf(stranger));
  });
});

const UNLIMITED = {
  ...{ subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 },
};

/** A `.creds` file of a new user of the account. */
function credsOf(account: Nkey): string {
  const user = nkey('user');
  const token = jwt(account, user.name, {
    ...{ type: 'user', version: 2, subs: -1, data: -1, payload: -1 },
  });
  return `-----BEGIN NATS USER JWT-----
${token}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
${user.seed}
------END USER NKEY SEED------
`;
}
