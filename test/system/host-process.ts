import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { type ControlClient, connectControl } from '../../host/control/control.ts';
import { BusLog, type Seen } from './bus-log.ts';

const program = fileURLToPath(new URL('../../host/cli/gtpack.mjs', import.meta.url));
/** Halves the time that a host takes to start. Gone with the next `npm ci`. */
const compileCache = fileURLToPath(new URL('../../node_modules/.cache/gtpack-test-code', import.meta.url));

/** `gtpack up` in a process of its own. */
export interface HostProcess {
  readonly pid: number;
  readonly child: GtpackProcess;
  readonly url: string;
  /** What passed on its bus since this was resolved, through its control socket. */
  readonly bus: BusLog;
  readonly control: ControlClient;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** Resolves when the process is gone, with its exit status; null where a signal ended it. */
  readonly ended: Promise<number | null>;
  /** SIGTERM; resolves with its exit status, null where a signal ended it. */
  terminate(): Promise<number | null>;
}

/** A command of gtpack, with all that it has printed. */
export type GtpackProcess = ChildProcess & { readonly output: () => string };

/**
 * Starts a command of gtpack; it is killed at the end of the test at the latest.
 * @param nodeOptions flags of Node
 */
export function gtpack(args: readonly string[], nodeOptions: readonly string[] = []): GtpackProcess {
  const stdio: ['ignore', 'pipe', 'pipe'] = ['ignore', 'pipe', 'pipe'];
  const env = { ...process.env, NODE_COMPILE_CACHE: compileCache };
  const child = spawn(process.execPath, [...nodeOptions, program, ...args], { stdio, env });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return Object.assign(child, { output: () => output });
}

/** Resolves with the first match in what the command prints. */
export function printed(child: GtpackProcess, pattern: RegExp): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    const look = (): void => {
      const match = pattern.exec(child.output());
      if (match !== null) resolve(match);
    };
    child.stdout?.on('data', look);
    child.stderr?.on('data', look);
    child.once('close', () => reject(new Error(`The command ended and had printed:\n${child.output()}`)));
    look();
  });
}

export interface ProcessOptions {
  /** Flags of Node. */
  readonly nodeOptions?: readonly string[];
  /** Further words of `gtpack up`. */
  readonly words?: readonly string[];
}

/** Starts the bundle of a folder. */
export async function startProcess(folder: string, options: ProcessOptions = {}): Promise<HostProcess> {
  const { nodeOptions = [], words = [] } = options;
  return await hostOf(folder, gtpack(['up', folder, ...words], nodeOptions));
}

/** Resolves when the host of a folder takes requests. */
export async function hostOf(folder: string, child: GtpackProcess): Promise<HostProcess> {
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [, url = ''] = await printed(child, /Ctrl-C stops it[\s\S]*/).then(
    () => /at (http:\/\/\S+)/.exec(child.output()) ?? [],
  );
  const control = await connectControl(folder);
  const tailing = await connectControl(folder);
  onTestFinished(() => {
    control.close();
    tailing.close();
  });
  const bus = new BusLog();
  const tail = tailing.tail()[Symbol.asyncIterator]();
  void (async () => {
    try {
      for (let next = await tail.next(); next.done !== true; next = await tail.next()) {
        bus.add([seenOf(next.value)]);
      }
    } catch {
      // The host is gone.
    }
  })();
  // The host answers requests of the two connections in the order they came, so the tail hears all from here on.
  await control.status();
  const { pid } = child;
  if (pid === undefined) throw new Error('The host did not start.');
  return {
    pid,
    child,
    url,
    bus,
    control,
    ended: closed,
    kill: async () => {
      child.kill('SIGKILL');
      await closed;
    },
    terminate: () => {
      child.kill('SIGTERM');
      return closed;
    },
  };
}

function seenOf(line: string): Seen {
  const { kind, tenant, type, event, result, count } = JSON.parse(line);
  if (kind === 'dropped') throw new Error(`The tail dropped ${count} messages.`);
  return { kind, tenant, type, json: event ?? result };
}

/** Process ids of the cell hosts that a process has started. */
export function cellHosts(parent: number): number[] {
  const table = execFileSync('ps', ['-A', '-o', 'pid=', '-o', 'ppid=', '-o', 'args='], { encoding: 'utf8' });
  return table.split('\n').flatMap((line) => {
    const [, pid, ppid, args = ''] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return Number(ppid) === parent && args.includes('cell-host') ? [Number(pid)] : [];
  });
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Resolves once the condition holds; it is asked again and again. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) {
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  }
}
