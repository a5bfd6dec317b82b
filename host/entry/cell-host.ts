import { entryUrl } from '../entry.ts';
import type { HostMessage } from '../sandbox/protocol.ts';
import { Supervisor } from '../sandbox/supervisor.ts';

/** Entry of a cell host: a child process that was started without files, network, environment or children. */
const supervisor = new Supervisor({
  cellEntry: entryUrl('cell'),
  send: (batch) => process.send?.(batch),
  residentBytes: process.memoryUsage.rss,
  abandon: (reason) => {
    process.stderr.write(`${reason}\n`);
    // Not exit, which waits for the threads.
    process.kill(process.pid, 'SIGKILL');
  },
});
process.on('message', (batch: HostMessage[]) => supervisor.receive(batch));
// The main process is gone: nobody is left to work for.
process.on('disconnect', () => process.exit(0));
