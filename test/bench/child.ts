import { type ChildProcess, fork } from 'node:child_process';

/** What a child process answers to, by name. */
export type Handlers = Readonly<Record<string, (input: never) => unknown>>;

/** A host drains for up to 10 seconds. */
const MAX_STOP_MS = 15_000;

interface Question {
  readonly id: number;
  readonly name: string;
  readonly input: unknown;
}

type ChildMessage =
  | { readonly kind: 'answer'; readonly id: number; readonly output: unknown }
  | { readonly kind: 'failure'; readonly id: number; readonly message: string }
  | { readonly kind: 'note'; readonly note: unknown };

interface Waiting {
  readonly resolve: (output: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** A process of the bench, run by the same Node as this one. It ends when this process lets go of it or ends. */
export class Child<H extends Handlers> {
  /** Called with what the child tells unasked. */
  onNote: (note: unknown) => void = () => undefined;
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  readonly #exited: Promise<void>;
  #nextId = 0;

  /**
   * @param name a file of `process/`, without its extension
   * @param flags for Node
   */
  constructor(name: string, flags: readonly string[] = []) {
    this.#process = fork(new URL(`./process/${name}.ts`, import.meta.url), [], {
      serialization: 'advanced',
      execArgv: [...flags],
      // What a child prints is no part of the result.
      stdio: ['ignore', 2, 2, 'ipc'],
    });
    this.#process.on('message', (message: ChildMessage) => this.#hear(message));
    this.#exited = new Promise((resolve) => {
      this.#process.once('exit', (code, signal) => {
        for (const { reject } of this.#waiting.values()) {
          reject(new Error(`The process ${name} ended (${signal ?? code}).`));
        }
        this.#waiting.clear();
        resolve();
      });
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  call<K extends keyof H & string>(name: K, input: Parameters<H[K]>[0]): Promise<Awaited<ReturnType<H[K]>>> {
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: (output) => resolve(output as Awaited<ReturnType<H[K]>>), reject });
      this.#process.send({ id, name, input } satisfies Question, (error) => {
        if (error !== null) reject(error);
      });
    });
  }

  /** Resolves when the process has ended, by itself where it can. */
  async stop(): Promise<void> {
    if (this.#process.connected) this.#process.disconnect();
    const late = setTimeout(() => this.#process.kill('SIGKILL'), MAX_STOP_MS);
    await this.#exited;
    clearTimeout(late);
  }

  #hear(message: ChildMessage): void {
    switch (message.kind) {
      case 'note':
        this.onNote(message.note);
        break;
      case 'answer':
        this.#take(message.id)?.resolve(message.output);
        break;
      case 'failure':
        this.#take(message.id)?.reject(new Error(message.message));
        break;
      default:
        message satisfies never;
    }
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }
}

/** The child's side: answers until the bench lets go of it. @param onEnd what has to be ended then */
export function answerCalls<H extends Handlers>(handlers: H, onEnd: () => Promise<void> | void): void {
  process.on('message', ({ id, name, input }: Question) => {
    const answer = async (): Promise<unknown> => handlers[name]?.(input as never);
    answer().then(
      (output) => tell({ kind: 'answer', id, output }),
      (error: unknown) =>
        tell({
          kind: 'failure',
          id,
          message: error instanceof Error ? (error.stack ?? error.message) : String(error),
        }),
    );
  });
  process.once('disconnect', () => {
    const end = async (): Promise<void> => onEnd();
    end().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  });
}

/** Tells the bench something unasked. */
export function note(note: unknown): void {
  tell({ kind: 'note', note });
}

function tell(message: ChildMessage): void {
  // The bench may have let go of it meanwhile.
  if (process.connected) process.send?.(message, undefined, {}, () => undefined);
}
