import type { ChildProcess } from 'node:child_process';
import { Duplex } from 'node:stream';
import { entryUrl } from '../entry.ts';
import { FrameChannel } from './frame-channel.ts';
import { startLockedDown } from './lockdown.ts';
import { isBatch } from './message-shape.ts';
import { ModuleUses } from './module-uses.ts';
import { CellOutbox, Outbox } from './outbox.ts';
import type { CellHostMessage, CellMessage, HostMessage } from './protocol.ts';

/** Looks at a silent cell host before it is ended: its heartbeat comes every half second. */
const MAX_SILENT_LOOKS = 10;
const LOOK_EVERY_MS = 1000;
/** What a dying process writes (V8's last words) is worth this much of a log. */
const MAX_STDERR_CHARACTERS = 4096;

export interface CellHostListener {
  onBatch(host: CellHostProcess, batch: readonly CellHostMessage[]): void;
  /** The process is gone, with all its cells. */
  onLost(host: CellHostProcess, detail: string): void;
}

/** Starts the process of a cell host; its file descriptor 3 is the pipe that carries the messages. */
export type StartCellHost = () => ChildProcess;

const startCellHost: StartCellHost = () => startLockedDown(entryUrl('cell-host'));

/**
 * A child process that holds cells. It starts with an empty environment and under Node's permission model: it reads the
 * host's own code and its libraries, and reaches no other file, no network, no child process and no native addon.
 */
export class CellHostProcess {
  readonly #child: ChildProcess;
  readonly #controls: Outbox<HostMessage>;
  readonly #cells: CellOutbox<CellMessage>;
  readonly #modules = new ModuleUses();
  readonly #exited: Promise<void>;
  readonly #watch: NodeJS.Timeout;
  #silentLooks = 0;
  /** What it still sends is not heard. */
  #wasEnded = false;
  #stderr = '';

  constructor(listener: CellHostListener, start: StartCellHost = startCellHost) {
    const child = start();
    this.#child = child;
    const channel = new FrameChannel(pipeOf(child), {
      onMessage: (batch) => {
        if (this.#wasEnded) return;
        if (!isBatch(batch)) {
          this.#endForNonsense();
          return;
        }
        this.#silentLooks = 0;
        listener.onBatch(this, batch);
      },
      onFault: () => this.#endForNonsense(),
    });
    const send = (batch: HostMessage[]): void => channel.send(batch);
    this.#controls = new Outbox(send);
    this.#cells = new CellOutbox((groups) => {
      // Opens and modules go before what is for the cells that they open.
      this.#controls.flush();
      send(groups.map(({ cell, messages }) => ({ kind: 'cell', cell, messages })));
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-MAX_STDERR_CHARACTERS);
    });
    child.on('error', () => undefined);
    this.#watch = setInterval(() => {
      this.#silentLooks += 1;
      if (this.#silentLooks > MAX_SILENT_LOOKS) this.kill();
    }, LOOK_EVERY_MS);
    this.#exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        clearInterval(this.#watch);
        resolve();
        const lastWords = this.#stderr.trim().split('\n').at(-1) ?? '';
        listener.onLost(this, `The cell host ended (${signal ?? code}). ${lastWords}`.trim());
      });
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Sends the modules that a cell opens with, as far as they are not there. */
  retain(modules: ReadonlyMap<string, Uint8Array>): void {
    for (const digest of this.#modules.retain(modules.keys())) {
      const bytes = modules.get(digest);
      if (bytes !== undefined) this.#controls.push({ kind: 'module', digest, bytes });
    }
  }

  /** Lets go of the modules of a cell that is gone, as far as no other uses them. */
  release(modules: ReadonlyMap<string, Uint8Array>): void {
    const digests = this.#modules.release(modules.keys());
    if (digests.length > 0) this.#controls.push({ kind: 'forget', digests });
  }

  control(message: HostMessage): void {
    this.#controls.push(message);
  }

  send(cell: number, message: CellMessage): void {
    this.#cells.push(cell, [message]);
  }

  /** Ends the process at once. */
  kill(): void {
    this.#wasEnded = true;
    this.#child.kill('SIGKILL');
  }

  async stop(): Promise<void> {
    this.kill();
    await this.#exited;
  }

  #endForNonsense(): void {
    this.#stderr = 'It sent what is no message of a cell host.';
    this.kill();
  }
}

function pipeOf(child: ChildProcess): Duplex {
  const pipe = child.stdio[3];
  if (pipe instanceof Duplex) return pipe;
  throw new Error('A cell host was started without its pipe.');
}
