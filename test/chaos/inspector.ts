/** Ends threads of a process from outside, through Node's own debugger: the product knows nothing of it. */
export class ThreadEnder {
  readonly #socket: WebSocket;
  readonly #answers = new Map<number, (answer: Reply) => void>();
  #asked = 0;
  #threads = '';

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => {
      const { id, ...reply } = JSON.parse(String(data)) as Reply & { readonly id?: number };
      if (id !== undefined) this.#answers.get(id)?.(reply);
    });
    // The process was killed: what is asked of it is answered by nobody.
    socket.addEventListener('close', () => {
      for (const answer of this.#answers.values()) answer({});
    });
  }

  /** Finds the threads, so that ending them takes no time. @param url that the process printed at SIGUSR1 */
  static async attach(url: string): Promise<ThreadEnder> {
    const socket = new WebSocket(url);
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve, { once: true });
      socket.addEventListener('error', () => reject(new Error(`${url} can't be reached.`)), { once: true });
    });
    const ender = new ThreadEnder(socket);
    const expression = "process.getBuiltinModule('node:worker_threads').Worker.prototype";
    const { result } = await ender.#ask('Runtime.evaluate', { expression });
    const { objects } = await ender.#ask('Runtime.queryObjects', { prototypeObjectId: result?.objectId });
    ender.#threads = objects?.objectId ?? '';
    return ender;
  }

  /** @returns how many threads the main process had */
  async end(): Promise<unknown> {
    // Node has a prototype made from that one, which is no thread.
    const functionDeclaration = `async function () {
      const threads = this.filter((each) => Object.hasOwn(each, '_events'));
      await Promise.all(threads.map((each) => each.terminate()));
      return threads.length;
    }`;
    const { result, exceptionDetails } = await this.#ask('Runtime.callFunctionOn', {
      objectId: this.#threads,
      functionDeclaration,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
    return result?.value;
  }

  close(): void {
    this.#socket.close();
  }

  #ask(method: string, params: object): Promise<NonNullable<Reply['result']>> {
    this.#asked += 1;
    const id = this.#asked;
    return new Promise((resolve) => {
      this.#answers.set(id, ({ result = {} }) => {
        this.#answers.delete(id);
        resolve(result);
      });
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }
}

interface Reply {
  readonly result?: {
    readonly result?: { readonly objectId?: string; readonly value?: unknown };
    readonly objects?: { readonly objectId?: string };
    readonly exceptionDetails?: unknown;
  };
}
