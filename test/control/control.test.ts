import { chmod, lstat, mkdir, mkdtemp, readdir, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  assertNoHost,
  CONTROL_SOCKET,
  type ControlClient,
  type ControlServer,
  connectControl,
  openControl,
} from '../../host/control/control.ts';
import { parseTenantId } from '../../host/event/names.ts';
import { FakeHost } from './fake-host.ts';

let dir = '';
let host = new FakeHost();
const servers: ControlServer[] = [];
const clients: ControlClient[] = [];
const open = async (folder = dir): Promise<ControlServer> => {
  const server = await openControl(folder, host);
  servers.push(server);
  return server;
};
const dial = async (folder = dir): Promise<ControlClient> => {
  const client = await connectControl(folder);
  clients.push(client);
  return client;
};
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'control-'));
  host = new FakeHost();
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const server of servers.splice(0)) await server.close();
  await rm(dir, { recursive: true, force: true });
});

/** Sends raw bytes to the socket and reads until the host closes it, or until `enough` lines came. */
function raw(bytes: string | Buffer, enough: number): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const socket = connect(join(dir, CONTROL_SOCKET), () => socket.write(bytes));
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (text.split('\n').length > enough) socket.destroy();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(text.split('\n').filter((line) => line !== '')));
  });
}

describe('asking', () => {
  test('status and emit are answered', async () => {
    await open();
    const client = await dial();
    expect(await client.status()).toEqual(host.status());
    expect(await client.emit('demo', 'order.created', '{"a":"ü\\n"}')).toEqual({
      id: 'id-1',
      duplicate: false,
    });
    expect(host.emitted).toEqual([['demo', 'order.created', '{"a":"ü\\n"}']]);
  });

  test('what the host refuses reaches the client with code and cure', async () => {
    await open();
    const client = await dial();
    await expect(client.emit('demo', 'bad type', '1')).rejects.toMatchObject({
      code: 'event_type_invalid',
      message: 'No event type. Write order.created.',
      problems: [{ code: 'event_type_invalid', message: 'No event type.', cure: 'Write order.created.' }],
    });
    await expect(client.emit('demo', 'broken', '1')).rejects.toMatchObject({ code: 'host_failed' });
    expect(await client.emit('demo', 'a', '1')).toMatchObject({ id: 'id-1' });
  });

  test('no host: the error says so and how to start one', async () => {
    await expect(dial()).rejects.toMatchObject({
      code: 'host_not_running',
      message: `No host is running in ${dir}. Start one with \`gtpack up ${dir}\`, or name another bundle with --bundle DIR.`,
    });
    await expect(dial(join(dir, 'nowhere'))).rejects.toMatchObject({ code: 'host_not_running' });
  });

  test('a host that died: the same', async () => {
    await mkdir(join(dir, '.gtpack'));
    await deadSocket(join(dir, CONTROL_SOCKET));
    await expect(dial()).rejects.toMatchObject({ code: 'host_not_running' });
  });
});

/** Leaves a socket's file behind, as a killed process does. */
async function deadSocket(path: string): Promise<void> {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(`${path}.tmp`, () => resolve()));
  const { rename } = await import('node:fs/promises');
  await rename(`${path}.tmp`, path);
  await new Promise((resolve) => other.close(resolve));
}

describe('the socket', () => {
  test('C1: is its owner’s alone, in a folder of mode 0700, and nothing else is left beside it', async () => {
    await open();
    const socket = await lstat(join(dir, CONTROL_SOCKET));
    expect([socket.isSocket(), (socket.mode & 0o777).toString(8)]).toEqual([true, '600']);
    expect(((await lstat(join(dir, '.gtpack'))).mode & 0o777).toString(8)).toBe('700');
    expect(await readdir(join(dir, '.gtpack'))).toEqual(['host.sock']);
  });

  test('C1: has mode 0600 in a folder that was there with a wide mode, too', async () => {
    await mkdir(join(dir, '.gtpack'));
    await chmod(join(dir, '.gtpack'), 0o777);
    await open();
    expect(((await lstat(join(dir, CONTROL_SOCKET))).mode & 0o777).toString(8)).toBe('600');
  });

  test('C2: of a host that lives is not taken, and the error names it', async () => {
    await open();
    await expect(openControl(dir, host)).rejects.toMatchObject({
      code: 'control_socket_in_use',
      message: expect.stringContaining(join(dir, CONTROL_SOCKET)),
    });
    await expect(assertNoHost(dir)).rejects.toMatchObject({ code: 'control_socket_in_use' });
    expect(await (await dial()).status()).toMatchObject({ env: 'dev' });
  });

  test('of a dead host is replaced', async () => {
    await mkdir(join(dir, '.gtpack'));
    await deadSocket(join(dir, CONTROL_SOCKET));
    await assertNoHost(dir);
    await open();
    expect(await (await dial()).status()).toMatchObject({ env: 'dev' });
  });

  test('is not made over a file of the user', async () => {
    await mkdir(join(dir, '.gtpack'));
    await writeFile(join(dir, CONTROL_SOCKET), 'notes');
    await expect(openControl(dir, host)).rejects.toMatchObject({ code: 'control_socket_unusable' });
  });

  test('goes with the host, which may then start again', async () => {
    const first = await open();
    await first.close();
    expect(await readdir(join(dir, '.gtpack'))).toEqual([]);
    await open();
  });

  test('of a later host is left alone by an earlier one', async () => {
    const first = await open();
    await rm(first.path);
    await open();
    await first.close();
    expect(await (await dial()).status()).toMatchObject({ env: 'dev' });
  });

  test('in a folder too deep for an address is reached all the same, and goes with the host', async () => {
    const deep = join(dir, 'd'.repeat(60), 'e'.repeat(60));
    await mkdir(deep, { recursive: true });
    await expect(dial(deep)).rejects.toMatchObject({ code: 'host_not_running' });
    const server = await open(deep);
    const target = await readlink(join(deep, CONTROL_SOCKET));
    expect(((await lstat(target)).mode & 0o777).toString(8)).toBe('600');
    expect(await (await dial(deep)).status()).toMatchObject({ env: 'dev' });
    await expect(openControl(deep, host)).rejects.toMatchObject({ code: 'control_socket_in_use' });
    await server.close();
    expect(await readdir(join(deep, '.gtpack'))).toEqual([]);
    await expect(lstat(target)).rejects.toMatchObject({ code: 'ENOENT' });
    // A dead host's link is replaced.
    await symlink(target, join(deep, CONTROL_SOCKET));
    await open(deep);
    expect(await (await dial(deep)).status()).toMatchObject({ env: 'dev' });
  });

  test('can’t be made where nothing can be written: the error says so', async () => {
    await writeFile(join(dir, '.gtpack'), '');
    await expect(openControl(dir, host)).rejects.toMatchObject({ code: 'control_socket_unusable' });
  });
});

describe('tail', () => {
  const take = async (lines: AsyncIterable<string>, count: number): Promise<unknown[]> => {
    const taken: unknown[] = [];
    for await (const line of lines) {
      taken.push(JSON.parse(line));
      if (taken.length === count) break;
    }
    return taken;
  };

  test('shows events, results and dead letters with their subjects, and the texts as they are', async () => {
    await open();
    const client = await dial();
    const lines = take(client.tail(), 3);
    await host.listening(1);
    host.pass(
      { json: '{"id":"1","n":1.0}' },
      { kind: 'result', json: '{"status":"ok"}' },
      { kind: 'dead_letter', json: '{"id":"2"}' },
    );
    expect(await lines).toEqual([
      {
        kind: 'event',
        subject: 'greentic.events.dev.demo.order.created',
        tenant: 'demo',
        type: 'order.created',
        event: { id: '1', n: 1 },
      },
      {
        kind: 'result',
        subject: 'greentic.events.dev.demo.order.created.result',
        tenant: 'demo',
        type: 'order.created',
        result: { status: 'ok' },
      },
      {
        kind: 'dead_letter',
        subject: 'greentic.dlq.dev.demo.order.created',
        tenant: 'demo',
        type: 'order.created',
        event: { id: '2' },
      },
    ]);
  });

  test('does not rewrite the texts: their numbers stay as they were written', async () => {
    await open();
    const client = await dial();
    const tail = client.tail()[Symbol.asyncIterator]();
    const line = tail.next();
    await host.listening(1);
    host.pass({ json: '{"n":1.0,"big":12345678901234567890}' });
    expect((await line).value).toContain(',"event":{"n":1.0,"big":12345678901234567890}}');
  });

  test('of one tenant shows no other’s', async () => {
    await open();
    const client = await dial();
    const lines = take(client.tail('two'), 1);
    await host.listening(1);
    host.pass({ json: '{"of":"demo"}' });
    host.pass({ tenant: parseTenantId('two'), json: '{"of":"two"}' });
    expect(await lines).toMatchObject([{ event: { of: 'two' } }]);
  });

  test('keeps a text with line breaks and control characters on one line', async () => {
    await open();
    const client = await dial();
    const lines = take(client.tail(), 2);
    await host.listening(1);
    host.pass({ json: '{\n"a":\r\n1,\t"b":"\u001b[2J"}' }, { json: '{"next":true}' });
    expect(await lines).toMatchObject([{ event: { a: 1, b: ' [2J' } }, { event: { next: true } }]);
  });

  test('stops listening when its client leaves', async () => {
    await open();
    const client = await dial();
    const lines = take(client.tail(), 1000);
    await host.listening(1);
    client.close();
    expect(await lines).toEqual([]);
    await host.listening(0);
  });

  test('ends with an error when the host goes', async () => {
    const server = await open();
    const client = await dial();
    const lines = take(client.tail(), 1000);
    await host.listening(1);
    const lost = expect(lines).rejects.toMatchObject({ code: 'control_connection_lost' });
    await server.close();
    await lost;
  });

  test('C4: a slow reader misses messages, learns how many, and the host’s memory stays bounded', async () => {
    await open();
    const socket = connect(join(dir, CONTROL_SOCKET), () => socket.write('{"v":1,"op":"tail"}\n'));
    socket.pause();
    await host.listening(1);
    const json = JSON.stringify({ text: 'x'.repeat(10_000) });
    const before = process.memoryUsage().external + process.memoryUsage().heapUsed;
    for (let i = 0; i < 20_000; i += 1) host.pass({ json });
    expect(process.memoryUsage().external + process.memoryUsage().heapUsed - before).toBeLessThan(100e6);
    let text = '';
    let events = 0;
    let dropped = 0;
    const complete = new Promise<void>((resolve) => {
      socket.setEncoding('utf8');
      socket.on('data', (chunk: string) => {
        text += chunk;
        const lines = text.split('\n');
        text = lines.pop() ?? '';
        for (const line of lines) {
          const { item } = JSON.parse(line);
          if (item?.kind === 'event') events += 1;
          if (item?.kind === 'dropped') dropped += item.count;
        }
        if (events + dropped === 20_000) resolve();
      });
    });
    socket.resume();
    await complete;
    socket.destroy();
    expect(events).toBeGreaterThan(10);
    expect(dropped).toBeGreaterThan(1000);
    await host.listening(0);
  });

  test('C3: a message too large for a line is counted as dropped', async () => {
    await open();
    const client = await dial();
    const lines = take(client.tail(), 2);
    await host.listening(1);
    host.pass({ json: JSON.stringify('x'.repeat(5 * 1024 * 1024)) }, { json: '{"next":true}' });
    expect(await lines).toMatchObject([{ kind: 'dropped', count: 1 }, { event: { next: true } }]);
  });
});

describe('a client that breaks the rules is told so', () => {
  test.each([
    ['no JSON', 'hello\n', 'control_message_invalid'],
    ['no object', '1\n', 'control_version_unknown'],
    ['no version', '{"op":"status"}\n', 'control_version_unknown'],
    ['another version', '{"v":2,"op":"status"}\n', 'control_version_unknown'],
    ['an unknown operation', '{"v":1,"op":"shutdown"}\n', 'control_message_invalid'],
    ['an unknown key', '{"v":1,"op":"status","x":1}\n', 'control_message_invalid'],
    ['a missing field', '{"v":1,"op":"emit","tenant":"demo"}\n', 'control_message_invalid'],
    [
      'a wrong type',
      '{"v":1,"op":"emit","tenant":"demo","type":"a","payload":{}}\n',
      'control_message_invalid',
    ],
    ['bytes that are no text', Buffer.from([0xff, 0xfe, 0x0a]), 'control_message_invalid'],
  ])('%s', async (_title, bytes, code) => {
    await open();
    const [line] = await raw(bytes, 1);
    expect(JSON.parse(line ?? '')).toMatchObject({ v: 1, error: { code } });
  });

  test('C3: a line without an end: told, and cut', async () => {
    await open();
    const lines = await raw(Buffer.alloc(1024 * 1024 + 1, 'a'), 10);
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ error: { code: 'control_message_invalid' } });
  });

  test('C3: a flood of requests: told, and cut', async () => {
    await open();
    const lines = await raw('{"v":1,"op":"status"}\n'.repeat(10_000), 20_000);
    expect(lines.some((line) => line.includes('control_message_invalid'))).toBe(true);
  });

  test('a second tail on one connection', async () => {
    await open();
    const lines = await raw('{"v":1,"op":"tail"}\n{"v":1,"op":"tail"}\n', 2);
    expect(lines[1]).toContain('tailing already');
    await host.listening(0);
  });

  test('an empty line is no request, and a bad one doesn’t spoil the next', async () => {
    await open();
    const lines = await raw('\n\nnope\n{"v":1,"op":"status"}\n', 2);
    expect(lines.map((line) => Object.keys(JSON.parse(line)))).toEqual([
      ['v', 'error'],
      ['v', 'ok'],
    ]);
  });
});

describe('a host that breaks the rules is not believed', () => {
  test.each([
    ['no JSON', 'hello\n', 'control_message_invalid'],
    ['no reply', '{"v":1,"item":1}\n', 'control_message_invalid'],
    ['another version', '{"v":7,"ok":1}\n', 'control_version_unknown'],
    ['an endless line', 'x'.repeat(4 * 1024 * 1024 + 1), 'control_message_invalid'],
    ['nothing', '', 'control_connection_lost'],
  ])('%s', async (_title, bytes, code) => {
    await mkdir(join(dir, '.gtpack'));
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.once('data', () => socket.end(bytes));
    });
    await new Promise<void>((resolve) => server.listen(join(dir, CONTROL_SOCKET), () => resolve()));
    const client = await dial();
    await expect(client.status()).rejects.toMatchObject({ code });
    client.close();
    await new Promise((resolve) => server.close(resolve));
  });

  test('no receipt for an emit', async () => {
    await mkdir(join(dir, '.gtpack'));
    const server = createServer((socket) => socket.once('data', () => socket.end('{"v":1,"ok":{"id":1}}\n')));
    await new Promise<void>((resolve) => server.listen(join(dir, CONTROL_SOCKET), () => resolve()));
    const client = await dial();
    await expect(client.emit('a', 'b', '1')).rejects.toMatchObject({ code: 'control_message_invalid' });
    client.close();
    await new Promise((resolve) => server.close(resolve));
  });
});
