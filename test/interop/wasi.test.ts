import { expect, test } from 'vitest';
import { textComponent } from './component-maker.ts';
import { openFieldCell } from './field-cell.ts';

/** What toolchains of the field import, in the versions that are there; only what the tests call. */
const wit = (version: string): string => `package test:built@0.1.0;

package wasi:io@${version} {
  interface error { resource error { to-debug-string: func() -> string; } }
  interface streams {
    use error.{error};
    variant stream-error { last-operation-failed(error), closed }
    resource input-stream { read: func(len: u64) -> result<list<u8>, stream-error>; }
    resource output-stream { blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>; }
  }
}
package wasi:cli@${version} {
  interface environment {
    get-environment: func() -> list<tuple<string, string>>;
    get-arguments: func() -> list<string>;
    initial-cwd: func() -> option<string>;
  }
  interface stdin { use wasi:io/streams@${version}.{input-stream}; get-stdin: func() -> input-stream; }
  interface stderr { use wasi:io/streams@${version}.{output-stream}; get-stderr: func() -> output-stream; }
  interface exit { exit: func(status: result); }
}
package wasi:filesystem@${version} {
  interface types { enum error-code { access, no-entry } resource descriptor { sync-data: func() -> result<_, error-code>; } }
  interface preopens { use types.{descriptor}; get-directories: func() -> list<tuple<descriptor, string>>; }
}
package wasi:sockets@${version} {
  interface network {
    resource network;
    enum error-code { unknown, access-denied, not-supported }
    enum ip-address-family { ipv4, ipv6 }
  }
  interface instance-network { use network.{network}; instance-network: func() -> network; }
  interface tcp { resource tcp-socket { is-listening: func() -> bool; } }
  interface tcp-create-socket {
    use network.{error-code, ip-address-family};
    use tcp.{tcp-socket};
    create-tcp-socket: func(family: ip-address-family) -> result<tcp-socket, error-code>;
  }
  interface udp { resource udp-socket { unicast-hop-limit: func() -> u8; } }
  interface udp-create-socket {
    use network.{error-code, ip-address-family};
    use udp.{udp-socket};
    create-udp-socket: func(family: ip-address-family) -> result<udp-socket, error-code>;
  }
  interface ip-name-lookup {
    use network.{network, error-code};
    resource resolve-address-stream { next: func() -> bool; }
    resolve-addresses: func(network: borrow<network>, name: string) -> result<resolve-address-stream, error-code>;
  }
}
package wasi:clocks@${version} {
  interface wall-clock { record datetime { seconds: u64, nanoseconds: u32 } now: func() -> datetime; }
}
package wasi:random@${version} {
  interface random { get-random-u64: func() -> u64; }
}

world built {
  import wasi:cli/environment@${version};
  import wasi:cli/stdin@${version};
  import wasi:cli/stderr@${version};
  import wasi:cli/exit@${version};
  import wasi:filesystem/preopens@${version};
  import wasi:sockets/instance-network@${version};
  import wasi:sockets/tcp-create-socket@${version};
  import wasi:sockets/udp-create-socket@${version};
  import wasi:sockets/ip-name-lookup@${version};
  import wasi:clocks/wall-clock@${version};
  import wasi:random/random@${version};
  export environment: func() -> u32;
  export argument-list: func() -> u32;
  export working-directory: func() -> u32;
  export directories: func() -> u32;
  export tcp: func() -> tuple<u8, u8>;
  export udp: func() -> tuple<u8, u8>;
  export lookup: func() -> tuple<u8, u8>;
  export standard-input: func() -> tuple<u8, u8>;
  export standard-error: func() -> u8;
  export clock: func() -> u64;
  export random: func() -> u64;
  export end: func();
}`;

/** Results stand at 64; a pair of bytes is left at 128. */
const wat = (version: string): string => `(module
  (import "wasi:cli/environment@${version}" "get-environment" (func $environment (param i32)))
  (import "wasi:cli/environment@${version}" "get-arguments" (func $arguments (param i32)))
  (import "wasi:cli/environment@${version}" "initial-cwd" (func $cwd (param i32)))
  (import "wasi:cli/stdin@${version}" "get-stdin" (func $stdin (result i32)))
  (import "wasi:io/streams@${version}" "[method]input-stream.read" (func $read (param i32 i64 i32)))
  (import "wasi:cli/stderr@${version}" "get-stderr" (func $stderr (result i32)))
  (import "wasi:io/streams@${version}" "[method]output-stream.blocking-write-and-flush" (func $write (param i32 i32 i32 i32)))
  (import "wasi:cli/exit@${version}" "exit" (func $exit (param i32)))
  (import "wasi:filesystem/preopens@${version}" "get-directories" (func $directories (param i32)))
  (import "wasi:sockets/instance-network@${version}" "instance-network" (func $network (result i32)))
  (import "wasi:sockets/tcp-create-socket@${version}" "create-tcp-socket" (func $tcp (param i32 i32)))
  (import "wasi:sockets/udp-create-socket@${version}" "create-udp-socket" (func $udp (param i32 i32)))
  (import "wasi:sockets/ip-name-lookup@${version}" "resolve-addresses" (func $resolve (param i32 i32 i32 i32)))
  (import "wasi:clocks/wall-clock@${version}" "now" (func $now (param i32)))
  (import "wasi:random/random@${version}" "get-random-u64" (func $random (result i64)))
  (memory (export "memory") 1)
  (data (i32.const 256) "example.com")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func $length (result i32) (i32.load (i32.const 68)))
  (func $pair (result i32)
    (i32.store8 (i32.const 128) (i32.load8_u (i32.const 64)))
    (i32.store8 (i32.const 129) (i32.load8_u (i32.const 68)))
    (i32.const 128))
  (func (export "environment") (result i32) (call $environment (i32.const 64)) (call $length))
  (func (export "argument-list") (result i32) (call $arguments (i32.const 64)) (call $length))
  (func (export "working-directory") (result i32) (call $cwd (i32.const 64)) (i32.load8_u (i32.const 64)))
  (func (export "directories") (result i32) (call $directories (i32.const 64)) (call $length))
  (func (export "tcp") (result i32) (call $tcp (i32.const 0) (i32.const 64)) (call $pair))
  (func (export "udp") (result i32) (call $udp (i32.const 0) (i32.const 64)) (call $pair))
  (func (export "lookup") (result i32)
    (call $resolve (call $network) (i32.const 256) (i32.const 11) (i32.const 64)) (call $pair))
  (func (export "standard-input") (result i32)
    (call $read (call $stdin) (i64.const 8) (i32.const 64)) (call $pair))
  (func (export "standard-error") (result i32)
    (call $write (call $stderr) (i32.const 256) (i32.const 11) (i32.const 64)) (i32.load8_u (i32.const 64)))
  (func (export "clock") (result i64) (call $now (i32.const 64)) (i64.load (i32.const 64)))
  (func (export "random") (result i64) (call $random))
  (func (export "end") (call $exit (i32.const 0))))`;

test.each(['0.2.3', '0.2.6', '0.2.9'])(
  'WASI %s is there, and its files, sockets, environment and standard streams hold nothing',
  async (version) => {
    const cell = await openFieldCell(await textComponent(wit(version), wat(version)));
    try {
      for (const empty of [
        'environment',
        'argument-list',
        'working-directory',
        'directories',
        'standard-error',
      ])
        expect([empty, await cell.output(empty)]).toEqual([empty, 0]);
      const denied = [1, 1];
      for (const refused of ['tcp', 'udp', 'lookup', 'standard-input'])
        expect([refused, await cell.output(refused)]).toEqual([refused, denied]);
      expect(Number(await cell.output('clock'))).toBeGreaterThan(1_700_000_000);
      expect(await cell.output('random')).not.toBe(await cell.output('random'));
      await expect(cell.invoke('end')).rejects.toMatchObject({ code: 'guest_trap' });
      expect(await cell.output('tcp')).toEqual(denied);
      expect(cell.effects).toEqual([]);
    } finally {
      await cell.stop();
    }
  },
);
