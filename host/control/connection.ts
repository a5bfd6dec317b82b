import type { Socket } from 'node:net';
import { errorMessage, GtpackError } from '../errors.ts';
import { LineSplitter } from './lines.ts';
import {
  type ControlHost,
  type ControlRequest,
  errorReply,
  goodReply,
  MAX_REPLY_BYTES,
  MAX_REQUEST_BYTES,
  parseRequest,
} from './protocol.ts';
import { answerRecords } from './records.ts';
import { TailFeed } from './tail-feed.ts';

/** Requests of one client that wait for their turn. */
const MAX_WAITING_REQUESTS = 64;
const ENVELOPE_BYTES = 1024;

/** Serves one client until it leaves: its requests one after the other, in order. */
export function serveConnection(socket: Socket, host: ControlHost): void {
  const splitter = new LineSplitter(MAX_REQUEST_BYTES);
  let turn: Promise<void> = Promise.resolve();
  let waiting = 0;
  let stopTail: (() => void) | undefined;

  const cut = (error: unknown): void => {
    socket.removeListener('data', onData);
    socket.end(errorReply(asControlError(error)));
    // It may be writing still; what it says is of no interest any more.
    socket.resume();
  };
  /** The next request waits until this reply has room: a client that never reads is never read on. */
  const say = async (reply: string): Promise<void> => {
    if (!socket.writable || socket.write(reply)) return;
    await new Promise<void>((resolve) => {
      socket.once('drain', resolve);
      socket.once('close', resolve);
    });
  };
  const answer = async (line: string): Promise<void> => {
    try {
      const request = parseRequest(line);
      if (request.op === 'tail') startTail(request);
      else await say(goodReply(await replyTo(request, host)));
    } catch (error) {
      await say(errorReply(asControlError(error)));
    } finally {
      waiting -= 1;
    }
  };
  const startTail = ({ tenant }: Extract<ControlRequest, { op: 'tail' }>): void => {
    if (stopTail !== undefined) {
      throw new GtpackError('control_message_invalid', 'This connection is tailing already.');
    }
    const feed = new TailFeed(host.env, tenant, socket);
    socket.write(goodReply('null'));
    const stopTap = host.tap(feed.listener);
    const onDrain = (): void => feed.drained();
    socket.on('drain', onDrain);
    stopTail = () => {
      stopTap();
      socket.removeListener('drain', onDrain);
    };
  };
  const onData = (chunk: Buffer): void => {
    try {
      for (const line of splitter.push(chunk)) {
        waiting += 1;
        if (waiting > MAX_WAITING_REQUESTS) {
          throw new GtpackError(
            'control_message_invalid',
            `More than ${MAX_WAITING_REQUESTS} requests wait on this connection.`,
          );
        }
        turn = turn.then(() => answer(line));
      }
    } catch (error) {
      cut(error);
    }
  };
  socket.on('data', onData);
  socket.on('error', () => socket.destroy());
  socket.on('close', () => stopTail?.());
}

async function replyTo(request: Exclude<ControlRequest, { op: 'tail' }>, host: ControlHost): Promise<string> {
  switch (request.op) {
    case 'status':
      return JSON.stringify(host.status());
    case 'quarantined':
      return JSON.stringify(host.quarantined());
    case 'release':
      return JSON.stringify(host.release(request.tenant, request.source));
    case 'emit':
      return JSON.stringify(await host.emit(request.tenant, request.type, request.payload));
    case 'timers':
      return fitting(JSON.stringify(await host.timers.page(request)));
    case 'dlq_list':
    case 'dlq_show':
    case 'dlq_replay':
    case 'dlq_drop':
    case 'runs_list':
    case 'runs_show':
      return fitting(JSON.stringify(await answerRecords(request, host.records)));
  }
}

/** @throws GtpackError `record_too_large` */
function fitting(json: string): string {
  if (Buffer.byteLength(json) <= MAX_REPLY_BYTES - ENVELOPE_BYTES) return json;
  throw new GtpackError(
    'record_too_large',
    `What was asked for takes more than ${MAX_REPLY_BYTES} bytes, the most that the control socket carries.`,
    { cure: 'Stop the host and ask again: the command then reads the store itself.' },
  );
}

function asControlError(error: unknown): GtpackError {
  if (error instanceof GtpackError) return error;
  return new GtpackError('host_failed', `The host failed on this request: ${errorMessage(error)}`, {
    cause: error,
  });
}
