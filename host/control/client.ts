import { connect, type Socket } from 'node:net';
import * as z from 'zod';
import type { Receipt } from '../bus/bus.ts';
import { errorMessage, GtpackError } from '../errors.ts';
import { LineSplitter } from './lines.ts';
import { CONTROL_VERSION, type ControlRequest, itemOf, MAX_REPLY_BYTES, parseReply } from './protocol.ts';
import { type OperatorRecords, remoteRecords } from './records.ts';
import { dialledPath } from './socket-path.ts';
import { type OperatorTimers, remoteTimers } from './timers.ts';

/** One JSON text of a tail: an event, a result, a dead letter, or how many were dropped. */
export type TailLine = string;

/** A connection to a running host. One request at a time. */
export interface ControlClient {
  readonly records: OperatorRecords;
  readonly timers: OperatorTimers;
  status(): Promise<unknown>;
  quarantined(): Promise<unknown>;
  release(tenant: string, source: string): Promise<unknown>;
  /** @throws GtpackError that the host gave */
  emit(tenant: string, type: string, payloadJson: string): Promise<Receipt>;
  /**
   * What passes on the bus from now on. It ends when the client is closed.
   * @throws GtpackError `control_connection_lost` when the host goes away
   */
  tail(tenant?: string): AsyncIterable<TailLine>;
  close(): void;
}

/**
 * Connects to the host that runs in the bundle's folder.
 * @throws GtpackError `host_not_running`, `control_socket_unusable`
 */
export async function connectControl(bundleDir: string): Promise<ControlClient> {
  const socket = await dial(bundleDir);
  const lines = readLines(socket);
  let closed = false;
  const nextLine = async (): Promise<string | undefined> => {
    const { done, value } = await lines.next();
    if (done !== true) return value;
    if (closed) return undefined;
    throw new GtpackError('control_connection_lost', 'The host closed the connection.', {
      cure: 'It may have stopped; start it again with `gtpack up`.',
    });
  };
  const say = (request: ControlRequest): void => {
    if (socket.writable) socket.write(`${JSON.stringify(request)}\n`);
  };
  const ask = async (request: ControlRequest): Promise<unknown> => {
    say(request);
    const line = await nextLine();
    if (line === undefined) throw new GtpackError('control_connection_lost', 'This connection is closed.');
    return parseReply(line);
  };
  return {
    records: remoteRecords((request) => ask({ v: CONTROL_VERSION, ...request } as ControlRequest)),
    timers: remoteTimers((request) => ask({ v: CONTROL_VERSION, ...request })),
    status: () => ask({ v: CONTROL_VERSION, op: 'status' }),
    quarantined: () => ask({ v: CONTROL_VERSION, op: 'quarantined' }),
    release: (tenant, source) => ask({ v: CONTROL_VERSION, op: 'release', tenant, source }),
    emit: async (tenant, type, payload) => {
      const receipt = await ask({ v: CONTROL_VERSION, op: 'emit', tenant, type, payload });
      const parsed = receiptSchema.safeParse(receipt);
      if (parsed.success) return parsed.data;
      throw new GtpackError('control_message_invalid', 'The host answered an emit with no receipt.');
    },
    tail: async function* (tenant) {
      say({ v: CONTROL_VERSION, op: 'tail', ...(tenant === undefined ? {} : { tenant }) });
      const reply = await nextLine();
      if (reply === undefined) return;
      parseReply(reply);
      for (let line = await nextLine(); line !== undefined; line = await nextLine()) yield itemOf(line);
    },
    close: () => {
      closed = true;
      socket.destroy();
    },
  };
}

async function dial(bundleDir: string): Promise<Socket> {
  try {
    const path = await dialledPath(bundleDir);
    return await new Promise<Socket>((resolve, reject) => {
      const socket = connect(path);
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.removeListener('error', reject);
        resolve(socket);
      });
    });
  } catch (error) {
    throw dialError(bundleDir, error);
  }
}

function dialError(bundleDir: string, cause: unknown): GtpackError {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ENOTDIR') {
    return new GtpackError('host_not_running', `No host is running in ${bundleDir}.`, {
      cure: `Start one with \`gtpack up ${bundleDir}\`, or name another bundle with --bundle DIR.`,
      cause,
    });
  }
  const reason =
    code === 'EACCES' || code === 'EPERM' ? 'only the user who started it may' : errorMessage(cause);
  return new GtpackError('control_socket_unusable', `The host in ${bundleDir} can't be reached: ${reason}.`, {
    cause,
  });
}

/** Reads only as fast as it is asked: a slow command makes the host drop, not this process grow. */
async function* readLines(socket: Socket): AsyncGenerator<string, void, undefined> {
  const splitter = new LineSplitter(MAX_REPLY_BYTES);
  try {
    for await (const chunk of socket) yield* splitter.push(chunk as Buffer);
  } catch (error) {
    if (error instanceof GtpackError) throw error;
    // Reset or closed by us: the end of the lines, like a proper end.
  }
}

const receiptSchema = z.strictObject({ id: z.string(), duplicate: z.boolean() });
