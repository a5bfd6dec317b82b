import { describe, expect, test } from 'vitest';
import { readAddress, readNetwork } from '../../host/grant/address.ts';
import { httpGrantShape, parseHttpGrant } from '../../host/grant/http-grant.ts';
import { originGrant } from '../../host/grant/origin-pattern.ts';

const grant = (written: object) => parseHttpGrant(httpGrantShape.parse(written));
const allows = (host: string, url: string) => grant({ hosts: [host] }).allowsOrigin(new URL(url));

describe('a grant of HTTP', () => {
  test('that names only hosts allows reading over https, from public addresses', () => {
    const { hosts, methods, networks, timeoutMs, maxRequestBytes, maxResponseBytes, redirects } = grant({
      hosts: ['api.example.com'],
    });
    expect(hosts.map(({ text }) => text)).toEqual(['api.example.com']);
    expect({ methods, networks, timeoutMs, maxRequestBytes, maxResponseBytes, redirects }).toEqual({
      methods: ['GET', 'HEAD'],
      networks: [],
      timeoutMs: 10_000,
      maxRequestBytes: 1024 * 1024,
      maxResponseBytes: 1024 * 1024,
      redirects: 0,
    });
  });

  test('takes everything else from what is written', () => {
    const all = grant({
      hosts: ['*'],
      methods: ['POST', 'PROPFIND'],
      networks: ['10.0.0.0/8', 'fd00::/8'],
      timeout: '2m',
      max_request: '16KiB',
      max_response: '16MiB',
      redirects: 10,
    });
    expect(all.methods).toEqual(['POST', 'PROPFIND']);
    expect(all.networks.map(({ text }) => text)).toEqual(['10.0.0.0/8', 'fd00::/8']);
    expect([all.timeoutMs, all.maxRequestBytes, all.maxResponseBytes, all.redirects]).toEqual([
      120_000,
      16 * 1024,
      16 * 1024 ** 2,
      10,
    ]);
  });

  const hosts = { hosts: ['a.test'] };
  const refused: readonly (readonly [title: string, written: unknown, message: string])[] = [
    ['nothing', null, 'a mapping was expected; null came.'],
    ['no hosts', {}, 'a list of hosts was expected; nothing came.'],
    ['an empty list of hosts', { hosts: [] }, '1 to 100 entries'],
    ['one host that is no list', { hosts: 'a.test' }, 'a list of hosts was expected; "a.test" came.'],
    ['101 hosts', { hosts: Array(101).fill('a.test') }, '1 to 100 entries'],
    ['an unknown key', { ...hosts, method: ['GET'] }, 'Did you mean "methods"?'],
    ['ports of their own', { ...hosts, ports: [443] }, 'Unknown key "ports"'],
    ['a host with a path', { hosts: ['a.test/x'] }, 'without a path or credentials'],
    ['a URL', { hosts: ['https://a.test/'] }, 'without a path or credentials'],
    ['credentials', { hosts: ['user:pass@a.test'] }, 'without a path or credentials'],
    ['another scheme', { hosts: ['ftp://a.test'] }, 'without a path or credentials'],
    ['an empty host', { hosts: [''] }, 'a host such as'],
    ['a space', { hosts: ['a b.test'] }, 'a host such as'],
    ['a star in the middle', { hosts: ['a.*.test'] }, 'a host such as'],
    ['a star in a word', { hosts: ['*a.test'] }, 'a host such as'],
    ['two stars', { hosts: ['*.*.test'] }, 'a host such as'],
    ['a star before an address', { hosts: ['*.0.0.1'] }, 'a host such as'],
    ['a dot at the end', { hosts: ['a.test.'] }, 'without the dot'],
    ['an address in another spelling', { hosts: ['0x7f.1'] }, 'Write the address "0x7f.1" as "127.0.0.1".'],
    ['an address as a number', { hosts: ['2130706433'] }, 'as "127.0.0.1"'],
    ['a long IPv6 address', { hosts: ['[0:0:0:0:0:0:0:1]'] }, 'as "[::1]"'],
    ['an IPv6 address without brackets', { hosts: ['::1'] }, 'a host such as'],
    ['a percent sign', { hosts: ['a%2etest'] }, 'a host such as'],
    ['port 0', { hosts: ['a.test:0'] }, 'a host such as'],
    ['port 65536', { hosts: ['a.test:65536'] }, 'a host such as'],
    ['a host that is a number', { hosts: [443] }, 'a host such as'],
    ['a method in small letters', { ...hosts, methods: ['get'] }, 'a method in capitals'],
    ['CONNECT', { ...hosts, methods: ['CONNECT'] }, 'cannot be granted'],
    ['TRACE', { ...hosts, methods: ['TRACE'] }, 'cannot be granted'],
    ['no method', { ...hosts, methods: [] }, '1 to 100 entries'],
    ['a network without a prefix', { ...hosts, networks: ['10.0.0.1'] }, 'a network such as'],
    ['a prefix too long', { ...hosts, networks: ['10.0.0.0/33'] }, 'a network such as'],
    ['a network with host bits', { ...hosts, networks: ['10.1.2.3/8'] }, 'as "10.0.0.0/8"'],
    ['a network in another spelling', { ...hosts, networks: ['0x0a.0.0.0/8'] }, 'a network such as'],
    ['a network of mapped addresses', { ...hosts, networks: ['::ffff:0:0/96'] }, 'a network such as'],
    ['a network of NAT64', { ...hosts, networks: ['64:ff9b::/96'] }, 'a network such as'],
    ['a timeout without a unit', { ...hosts, timeout: 10 }, 'a duration from "1ms" to "5m"'],
    ['a timeout of 0', { ...hosts, timeout: '0s' }, 'a duration from'],
    ['an hour', { ...hosts, timeout: '1h' }, 'a duration from'],
    ['6 minutes', { ...hosts, timeout: '6m' }, 'a duration from'],
    ['a size past the most', { ...hosts, max_response: '17MiB' }, 'a size from "0B" to "16MiB"'],
    ['a size with another unit', { ...hosts, max_request: '1MB' }, 'a size from'],
    ['11 redirects', { ...hosts, redirects: 11 }, 'a whole number from 0 to 10'],
    ['true redirects', { ...hosts, redirects: true }, 'a whole number from 0 to 10 was expected; true came.'],
  ];
  test.each(refused)('is refused with a reason: %s', (_title, written, message) => {
    const parsed = httpGrantShape.safeParse(written);
    expect(parsed.error?.issues.map((issue) => issue.message).join(' ') ?? 'parsed').toContain(message);
  });
});

describe('an entry of hosts', () => {
  const rows: readonly (readonly [host: string, url: string, allowed: boolean])[] = [
    ['a.test', 'https://a.test/x?y', true],
    ['A.Test', 'https://a.test/', true],
    ['a.test', 'https://A.TEST/', true],
    ['a.test', 'https://a.test:443/', true],
    ['https://a.test', 'https://a.test/', true],
    ['a.test', 'http://a.test/', false],
    ['a.test', 'https://a.test:8443/', false],
    ['a.test', 'https://b.a.test/', false],
    ['a.test', 'https://xa.test/', false],
    ['a.test:8443', 'https://a.test:8443/', true],
    ['a.test:8443', 'https://a.test/', false],
    ['a.test:*', 'https://a.test:1/', true],
    ['a.test:*', 'http://a.test:1/', false],
    ['http://a.test', 'http://a.test/', true],
    ['http://a.test', 'https://a.test/', false],
    ['http://a.test:443', 'http://a.test:443/', true],
    ['*.a.test', 'https://b.a.test/', true],
    ['*.a.test', 'https://c.b.a.test/', true],
    ['*.a.test', 'https://a.test/', false],
    ['*.a.test', 'https://ba.test/', false],
    ['*.a.test', 'https://b.a.test.evil/', false],
    ['*', 'https://anything.example/', true],
    ['*', 'https://anything.example:8443/', false],
    ['*', 'http://anything.example/', false],
    ['*:*', 'https://anything.example:8443/', true],
    ['127.0.0.1', 'https://2130706433/', true],
    ['[::1]', 'https://[0:0:0:0:0:0:0:1]/', true],
    ['bücher.example', 'https://xn--bcher-kva.example/', true],
    ['*.bücher.example', 'https://a.bücher.example/', true],
    ['localhost', 'https://localhost/', true],
    ['my_service', 'https://my_service/', true],
  ];
  test.each(rows)('%s and %s: %s', (host, url, allowed) => {
    expect(allows(host, url)).toBe(allowed);
  });

  test.each([
    'https://a.test/',
    'https://a.test:8443/',
    'http://a.test/',
    'http://a.test:443/',
    'https://[::1]:8080/',
    'http://127.0.0.1:1/',
    'https://xn--bcher-kva.example/',
  ])('that is printed for %s grants it, and reads back as itself', (url) => {
    const line = originGrant(new URL(url));
    expect(allows(line, url)).toBe(true);
    expect(grant({ hosts: [line] }).hosts[0]?.text).toBe(line);
  });
});

describe('an address', () => {
  const kinds: readonly (readonly [text: string, special: string | null])[] = [
    ['1.1.1.1', null],
    ['93.184.216.34', null],
    ['2606:4700:4700::1111', null],
    ['::ffff:1.1.1.1', null],
    ['64:ff9b::1.1.1.1', null],
    ['127.0.0.1', 'loopback'],
    ['::1', 'loopback'],
    ['::ffff:7f00:1', 'loopback'],
    ['64:ff9b::a00:1', 'private'],
    ['10.255.255.255', 'private'],
    ['172.15.255.255', null],
    ['172.32.0.0', null],
    ['fd00::1', 'private'],
    ['169.254.169.254', 'link-local'],
    ['fe80::1', 'link-local'],
    ['100.63.255.255', null],
    ['100.127.255.255', 'carrier-grade NAT'],
    ['100.128.0.0', null],
    ['168.63.129.16', 'metadata'],
    ['2002:101:101::', 'tunnelled'],
    ['2001::1', 'tunnelled'],
    ['64:ff9b:1::1.1.1.1', 'translated'],
    ['::1.1.1.1', 'reserved'],
    ['::0:1.1.1.1', 'reserved'],
    ['0:0:0:0:0:0:1.1.1.1', 'reserved'],
    ['0:0:0:0:0:FFFF:127.0.0.1', 'loopback'],
    ['4000::1', 'reserved'],
    ['ff0e::1', 'multicast'],
    ['0.0.0.0', 'unspecified'],
    ['::', 'unspecified'],
    ['255.255.255.255', 'broadcast'],
  ];
  test.each(kinds)('%s is judged as %s', (text, special) => {
    expect(readAddress(text)?.special).toBe(special);
  });

  test.each([
    '',
    'localhost',
    '0x7f.1',
    '127.1',
    '2130706433',
    '010.0.0.1',
    'fe80::1%lo',
    '[::1]',
    ' 127.0.0.1',
  ])('in no plain form is none: %s', (text) => {
    expect(readAddress(text)).toBeUndefined();
  });

  const networks: readonly (readonly [network: string, address: string, allowed: boolean])[] = [
    ['127.0.0.0/8', '127.9.9.9', true],
    ['127.0.0.0/8', '::ffff:127.0.0.1', true],
    ['127.0.0.0/8', '64:ff9b::127.0.0.1', true],
    ['127.0.0.0/8', '::1', false],
    ['127.0.0.1/32', '127.0.0.2', false],
    ['::/0', '127.0.0.1', false],
    ['0.0.0.0/0', '10.0.0.1', true],
    ['0.0.0.0/0', 'fd00::1', false],
    ['fd00::/8', 'fd12::1', true],
    ['2002::/16', '2002:7f00:1::', true],
    ['10.0.0.0/8', '1.1.1.1', true],
  ];
  test.each(networks)('where the grant names %s: %s is allowed: %s', (network, text, allowed) => {
    const address = readAddress(text);
    expect(address && grant({ hosts: ['*'], networks: [network] }).allowsAddress(address)).toBe(allowed);
  });

  test('is granted by the smallest network that holds it', () => {
    for (const text of ['127.0.0.1', '::ffff:10.0.0.1', '64:ff9b::a9fe:a9fe', 'fd00::1']) {
      const address = readAddress(text);
      const network = readNetwork(address?.network ?? '');
      expect(network?.text).toBe(address?.network);
      expect(address && grant({ hosts: ['*'], networks: [address.network] }).allowsAddress(address)).toBe(
        true,
      );
    }
  });
});
