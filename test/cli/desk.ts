import { Readable, Writable } from 'node:stream';
import { run } from '../../host/cli/program.ts';
import type { Rooms } from '../../host/cli/rooms.ts';
import type { CliWorld, StopReason } from '../../host/cli/world.ts';

/** Collects what a command writes. */
class Paper extends Writable {
  text = '';
  readonly #onText: () => void;

  constructor(onText: () => void) {
    super();
    this.#onText = onText;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    this.#onText();
    done();
  }
}

/** A command line at work in this process. */
export interface Desk {
  readonly status: Promise<number>;
  readonly out: () => string;
  readonly err: () => string;
  /** Resolves when stdout or stderr holds the text. */
  shows(text: string): Promise<void>;
  stop(reason?: StopReason): void;
}

export interface DeskOptions {
  readonly cwd: string;
  readonly rooms?: Partial<Rooms>;
  readonly stdin?: string | readonly Buffer[];
  readonly env?: Readonly<Record<string, string>>;
  readonly showsProgress?: boolean;
  readonly asks?: boolean;
}

export function start(argv: readonly string[], options: DeskOptions): Desk {
  const controller = new AbortController();
  const waiting = new Set<() => void>();
  const tell = (): void => {
    for (const look of waiting) look();
  };
  const stdout = new Paper(tell);
  const stderr = new Paper(tell);
  const { stdin = '' } = options;
  const world: CliWorld = {
    stdout,
    stderr,
    stdin: Readable.from(typeof stdin === 'string' ? [Buffer.from(stdin)] : stdin),
    cwd: options.cwd,
    env: options.env ?? {},
    showsProgress: options.showsProgress ?? false,
    asks: options.asks ?? false,
    stop: controller.signal,
    now: () => Date.parse('2025-01-01T12:00:00Z'),
  };
  return {
    status: run(argv, world, { ...noRooms, ...options.rooms }),
    out: () => stdout.text,
    err: () => stderr.text,
    shows: (text) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!stdout.text.includes(text) && !stderr.text.includes(text)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    stop: (reason = 'SIGTERM') => controller.abort(reason),
  };
}

export interface Done {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command to its end. */
export async function runToEnd(argv: readonly string[], options: DeskOptions): Promise<Done> {
  const desk = start(argv, options);
  const status = await desk.status;
  return { status, out: desk.out(), err: desk.err() };
}

const forgotten = (): never => {
  throw new Error('this room is not part of the test');
};
const noRooms: Rooms = {
  loadBundle: forgotten,
  startHost: forgotten,
  checkBundle: forgotten,
  bundleTimers: forgotten,
  callPlugin: forgotten,
  examine: forgotten,
  newPack: forgotten,
  buildPack: forgotten,
  inspectPack: forgotten,
  signPack: forgotten,
  verifyPack: forgotten,
  writeKeyPair: forgotten,
  readSigningKey: forgotten,
  readPublicKey: forgotten,
  planInstall: forgotten,
  install: forgotten,
};
