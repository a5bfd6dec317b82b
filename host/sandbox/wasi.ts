import { randomBytes } from 'node:crypto';

/**
 * WASI 0.2 for guests: clocks and random numbers, and a denial for all else. No files, sockets, environment, arguments or
 * standard streams. Names are those of the `wasi:*` packages; jco's glue asks for them without their versions.
 *
 * Never the shim that comes with jco: it allows everything and shows the host's environment.
 */
export function deniedWasi(): Record<string, unknown> {
  return WASI;
}

/** An error that jco's glue passes to the guest as the error side of a `result`. */
function wasiError(payload: string): Error {
  return Object.assign(new Error(payload), { payload });
}

const denied = (code: string) => (): never => {
  throw wasiError(code);
};

/** A resource that nobody can get hold of; the glue needs its class all the same. */
class Nothing {}

class ClosedInputStream {
  read(): never {
    throw closedStream();
  }
  blockingRead(): never {
    throw closedStream();
  }
  skip(): never {
    throw closedStream();
  }
  blockingSkip(): never {
    throw closedStream();
  }
  subscribe(): ReadyPollable {
    return new ReadyPollable();
  }
}

/** Takes everything and keeps nothing: a guest's log goes through `log`. */
class DiscardingOutputStream {
  checkWrite(): bigint {
    return 65_536n;
  }
  write(): void {}
  blockingWriteAndFlush(): void {}
  flush(): void {}
  blockingFlush(): void {}
  writeZeroes(): void {}
  blockingWriteZeroesAndFlush(): void {}
  splice(): never {
    throw closedStream();
  }
  blockingSplice(): never {
    throw closedStream();
  }
  subscribe(): ReadyPollable {
    return new ReadyPollable();
  }
}

function closedStream(): Error {
  return Object.assign(new Error('closed'), { payload: { tag: 'closed' } });
}

/** Always ready: a guest cannot sleep, it would hold its tenant's thread. */
class ReadyPollable {
  ready(): boolean {
    return true;
  }
  block(): void {}
}

class WasiError {
  toDebugString(): string {
    return 'denied';
  }
}

const wallClock = {
  now: () => {
    const now = Date.now();
    return { seconds: BigInt(Math.floor(now / 1000)), nanoseconds: (now % 1000) * 1_000_000 };
  },
  resolution: () => ({ seconds: 0n, nanoseconds: 1_000_000 }),
};

const monotonicClock = {
  now: () => process.hrtime.bigint(),
  resolution: () => 1_000_000n,
  subscribeInstant: () => new ReadyPollable(),
  subscribeDuration: () => new ReadyPollable(),
};

const MAX_RANDOM_BYTES = 65_536n;

const random = {
  getRandomBytes: (length: bigint) => {
    if (length > MAX_RANDOM_BYTES) throw new RangeError(`At most ${MAX_RANDOM_BYTES} random bytes a call.`);
    return new Uint8Array(randomBytes(Number(length)));
  },
  getRandomU64: () => randomBytes(8).readBigUInt64LE(),
};

const noTerminal = () => undefined;

const WASI: Readonly<Record<string, unknown>> = Object.freeze({
  'wasi:cli/environment': {
    getEnvironment: () => [],
    getArguments: () => [],
    initialCwd: () => undefined,
  },
  'wasi:cli/exit': {
    exit: () => {
      throw new Error('The plugin called exit.');
    },
  },
  'wasi:cli/stdin': { getStdin: () => new ClosedInputStream() },
  'wasi:cli/stdout': { getStdout: () => new DiscardingOutputStream() },
  'wasi:cli/stderr': { getStderr: () => new DiscardingOutputStream() },
  'wasi:cli/terminal-input': { TerminalInput: Nothing },
  'wasi:cli/terminal-output': { TerminalOutput: Nothing },
  'wasi:cli/terminal-stdin': { getTerminalStdin: noTerminal },
  'wasi:cli/terminal-stdout': { getTerminalStdout: noTerminal },
  'wasi:cli/terminal-stderr': { getTerminalStderr: noTerminal },
  'wasi:clocks/wall-clock': wallClock,
  'wasi:clocks/monotonic-clock': monotonicClock,
  'wasi:random/random': random,
  'wasi:random/insecure': {
    getInsecureRandomBytes: random.getRandomBytes,
    getInsecureRandomU64: random.getRandomU64,
  },
  'wasi:random/insecure-seed': { insecureSeed: () => [random.getRandomU64(), random.getRandomU64()] },
  'wasi:io/error': { Error: WasiError },
  'wasi:io/poll': {
    Pollable: ReadyPollable,
    poll: (pollables: readonly unknown[]) => Uint32Array.from(pollables, (_, index) => index),
  },
  'wasi:io/streams': { InputStream: ClosedInputStream, OutputStream: DiscardingOutputStream },
  'wasi:filesystem/preopens': { getDirectories: () => [] },
  'wasi:filesystem/types': {
    Descriptor: Nothing,
    DirectoryEntryStream: Nothing,
    filesystemErrorCode: () => undefined,
  },
  'wasi:sockets/network': { Network: Nothing },
  'wasi:sockets/instance-network': { instanceNetwork: () => new Nothing() },
  'wasi:sockets/ip-name-lookup': {
    ResolveAddressStream: Nothing,
    resolveAddresses: denied('access-denied'),
  },
  'wasi:sockets/tcp': { TcpSocket: Nothing },
  'wasi:sockets/tcp-create-socket': { createTcpSocket: denied('access-denied') },
  'wasi:sockets/udp': {
    UdpSocket: Nothing,
    IncomingDatagramStream: Nothing,
    OutgoingDatagramStream: Nothing,
  },
  'wasi:sockets/udp-create-socket': { createUdpSocket: denied('access-denied') },
});
