import { Socket } from 'node:net';
import { entryUrl } from '../entry.ts';
import { FrameChannel } from '../sandbox/frame-channel.ts';
import type { HostMessage } from '../sandbox/protocol.ts';
import { Supervisor } from '../sandbox/supervisor.ts';

/** The main process is at the other end. */
const pipe = new Socket({ fd: 3 });

/** Entry of a cell host: a child process that was started without files, network, environment or children. */
const supervisor = new Supervisor({
  cellEntry: entryUrl('cell'),
  send: (batch) => channel.send(batch),
  residentBytes: process.memoryUsage.rss,
  abandon: (reason) => {
    process.stderr.write(`${reason}\n`);
    // Not exit, which waits for the threads.
    process.kill(process.pid, 'SIGKILL');
  },
});
const channel = new FrameChannel(pipe, {
  onMessage: (batch) => supervisor.receive(batch as HostMessage[]),
  onFault: (fault) => {
    throw fault;
  },
});
// A terminal's Ctrl-C goes to every process of its group; when a cell host ends is for the main process to say, which drains first.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined);
// The main process is gone: nobody is left to work for.
pipe.once('close', () => process.exit(0));
