/**
 * The control socket: how commands on this machine speak to a running host. Siblings:
 *
 * - `protocol.ts`    the messages, both ways
 * - `records.ts`     the messages about dead letters and runs
 * - `timers.ts`     the message about schedules and timers
 * - `lines.ts`       bytes to lines, bounded
 * - `socket-path.ts` where the socket lies
 * - `server.ts`      the host's end
 * - `connection.ts`  one client of the host
 * - `tail-feed.ts`   what a `tail` is sent, and what it is spared when it reads too slowly
 * - `client.ts`      the command's end
 *
 * Invariants:
 *
 * - C1 only the user who runs the host can reach the socket, from the first moment on.
 * - C2 nobody's socket is taken from a host that lives.
 * - C3 no line is longer than its bound, either way; a client that breaks the rules is told so and cut.
 * - C4 a slow reader costs a bounded amount of memory, and learns how much it missed.
 */
export { type ControlClient, connectControl, type TailLine } from './client.ts';
export type { ControlHost } from './protocol.ts';
export {
  type ChangedFlow,
  type LetterReplay,
  MAX_LETTERS,
  type OperatorRecords,
} from './records.ts';
export { assertNoHost, type ControlServer, openControl } from './server.ts';
export { CONTROL_SOCKET } from './socket-path.ts';
export { MAX_NEXT, type OperatorTimers, type ScheduleLine, type TimerLine } from './timers.ts';
