import { connect as connectTcp, isIP, type Socket, type TcpNetConnectOpts } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { GtpackError } from '../../errors.ts';
import { type Address, readAddress } from '../../grant/address.ts';
import { handshakeFault, networkFault } from './fault.ts';
import type { Tally } from './load.ts';
import type { Lookups } from './lookups.ts';
import { permitAddress } from './permit.ts';
import type { Scope } from './scope.ts';

/** Where a connection goes; the host name and port as the URL has them. */
export interface Target {
  readonly protocol: string;
  /** Without brackets. */
  readonly hostname: string;
  /** Empty for the scheme's own. */
  readonly port: string;
}

export interface ConnectorOptions {
  readonly lookups: Lookups;
  readonly connections: Tally;
  /** Certificates of authorities (PEM) in place of the system's. */
  readonly ca: string | null;
}

/**
 * Opens connections: resolves the name once, checks every address it has, and dials those very addresses. Between the
 * check and the dialling nothing is looked up again, so a name that changes its answer gains nothing.
 */
export class Connector {
  readonly #options: ConnectorOptions;

  constructor(options: ConnectorOptions) {
    this.#options = options;
  }

  /**
   * @param signal gives the connection up before it stands
   * @throws GtpackError `capability_denied`, `http_unreachable`, `http_tls_failed`, `http_busy`; the signal's reason
   */
  async open(scope: Scope, target: Target, signal: AbortSignal): Promise<Socket> {
    const { connections, ca } = this.#options;
    connections.add(scope.tenant, 1);
    const release = () => connections.remove(scope.tenant, 1);
    try {
      // A lookup cannot be taken back, so one that nobody waits for any more counts until it is done.
      const addresses = await this.#addressesOf(scope, target.hostname);
      signal.throwIfAborted();
      const origin = new URL(originOf(target));
      for (const address of addresses) permitAddress(scope, origin, address);
      const socket = await connect(target, addresses, ca, signal);
      socket.once('close', release);
      return socket;
    } catch (error) {
      release();
      throw networkFault(error, originOf(target));
    }
  }

  async #addressesOf({ tenant }: Scope, hostname: string): Promise<readonly Address[]> {
    const literal = readAddress(hostname);
    return literal === undefined ? this.#options.lookups.addressesOf(tenant, hostname) : [literal];
  }
}

async function connect(
  target: Target,
  addresses: readonly Address[],
  ca: string | null,
  signal: AbortSignal,
): Promise<Socket> {
  const [first] = addresses;
  const secure = target.protocol === 'https:';
  const named = isIP(target.hostname) === 0;
  const checked = addresses.map(({ text }) => ({ address: text, family: isIP(text) }));
  const options: TcpNetConnectOpts = {
    host: named ? target.hostname : (first?.text ?? ''),
    port: Number(target.port || (secure ? 443 : 80)),
    // Answers Node's question for the name with the addresses that were checked. It tries one after the other.
    lookup: (_hostname, _options, callback) => callback(null, checked),
    autoSelectFamily: true,
    noDelay: true,
    keepAlive: true,
  };
  const socket = secure
    ? connectTls({
        ...options,
        ...(named ? { servername: target.hostname } : {}),
        ...(ca === null ? {} : { ca }),
        ALPNProtocols: ['http/1.1'],
        // Said here, so that no variable of the environment can turn it off.
        rejectUnauthorized: true,
      })
    : connectTcp(options);
  await ready(socket, originOf(target), secure, signal);
  const dialled = readAddress(socket.remoteAddress ?? '');
  if (dialled !== undefined && addresses.some(({ text }) => text === dialled.text)) return socket;
  socket.destroy();
  throw new GtpackError('http_unreachable', `${originOf(target)} broke the connection.`);
}

function ready(socket: Socket, origin: string, secure: boolean, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    let connected = false;
    const fail = (reason: unknown) => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      reject(reason);
    };
    const onAbort = () => fail(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('connect', () => {
      connected = true;
    });
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    });
    // Stays for good: an error that nobody listens to would end the process.
    socket.on('error', (error) => {
      fail(secure && connected ? handshakeFault(error, origin) : networkFault(error, origin));
    });
  });
}

function originOf({ protocol, hostname, port }: Target): string {
  const host = hostname.includes(':') ? `[${hostname}]` : hostname;
  return `${protocol}//${host}${port === '' ? '' : `:${port}`}`;
}
