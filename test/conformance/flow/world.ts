import type { FlowHost } from '../../../host/flow/flow-host.ts';
import type { ProviderCall } from '../../../host/sandbox/program.ts';
import type { Effect, EffectAnswer, HttpAnswer, RunJournal } from '../../../host/sandbox/protocol.ts';
import type { FlowCase } from './case.ts';

interface Request {
  readonly method: string;
  readonly url: string;
}

interface Timer {
  readonly at: number;
  readonly due: () => void;
}

/** The host of one case: what it is asked it writes down, and answers as the case says; its time passes only where everybody waits. */
export class World {
  readonly sent: Request[] = [];
  readonly called: Record<string, unknown>[] = [];
  readonly published: unknown[] = [];
  readonly answers: HttpAnswer[] = [];
  readonly logged: string[] = [];
  /** What the bus keeps of the run. */
  readonly journal = new Map<number, string>();
  readonly #case: FlowCase;
  readonly #keys = new Set<string>();
  readonly #counts = { http: 0, calls: 0, bus: 0, records: 0, exchanges: 0 };
  readonly #timers = new Set<Timer>();
  #clock = 1_700_000_000_000;
  #cpu = 0;
  #isPumping = false;

  constructor(flowCase: FlowCase) {
    this.#case = flowCase;
  }

  get clock(): number {
    return this.#clock;
  }

  pass(ms: number): void {
    this.#clock += ms;
  }

  /** @returns the host of one delivery, and what comes when its cell ends before it */
  cell(): { readonly host: FlowHost; readonly died: Promise<undefined> } {
    const died = Promise.withResolvers<undefined>();
    let isDead = false;
    const exchange = async (answer: () => EffectAnswer | undefined): Promise<EffectAnswer> => {
      this.#counts.exchanges += 1;
      const dies = this.#case.dies?.includes(this.#counts.exchanges) === true;
      const given = isDead ? undefined : answer();
      if (dies) {
        isDead = true;
        died.resolve(undefined);
      }
      return given === undefined || isDead ? new Promise(() => undefined) : given;
    };
    const host: FlowHost = {
      effect: (effect) => exchange(() => this.#effect(effect)),
      call: (call) => exchange(() => this.#call(call)),
      record: (journal) => exchange(() => this.#record(journal)),
      respond: (_, answer) => this.answers.push(answer),
      log: ({ source, level, message }) => {
        this.logged.push(`${source} ${level} ${message}`);
      },
      now: () => this.#clock,
      after: (ms, due) => this.#after(ms, () => isDead || due()),
      random: () => 0.5,
      cpuMs: () => {
        this.#cpu += 1;
        return this.#cpu;
      },
      guard: (_, fn) => fn(),
    };
    return { host, died: died.promise };
  }

  #effect(effect: Effect): EffectAnswer | undefined {
    if (effect.capability === 'http') {
      const request = JSON.parse(effect.args[0] ?? '') as Request;
      this.sent.push(request);
      return this.#httpAnswer(request);
    }
    const answer = this.#case.bus?.[this.#counts.bus] ?? { stored: true };
    this.#counts.bus += 1;
    if ('problem' in answer) return { kind: 'problem', ...answer };
    this.#keep(effect.run);
    // As the bus does with what has an id that it knows.
    for (const { id, json } of effect.events) {
      if (!this.#keys.has(id)) this.published.push({ ...(JSON.parse(json) as object), flow: effect.args[0] });
      this.#keys.add(id);
    }
    return { kind: 'ok', output: '{}' };
  }

  #httpAnswer(request: Request): EffectAnswer | undefined {
    const { http = [] } = this.#case;
    const name = `${request.method} ${request.url}`;
    const answer = Array.isArray(http) ? http[this.#counts.http] : http[name];
    this.#counts.http += 1;
    if (answer === undefined) throw new Error(`The case has no answer to ${name}.`);
    if ('problem' in answer) return { kind: 'problem', ...answer };
    if ('nothing' in answer) return undefined;
    const { status = 200, headers = {}, body = '', body_encoding = 'utf8' } = answer;
    const isText = typeof body === 'string';
    const type = isText ? {} : { 'content-type': 'application/json' };
    const text = isText ? body : JSON.stringify(body);
    const output = JSON.stringify({ status, headers: { ...type, ...headers }, body: text, body_encoding });
    return { kind: 'ok', output };
  }

  #call({ provider, operation, input, spend }: ProviderCall): EffectAnswer | undefined {
    const over = spend();
    if (over !== undefined) throw over;
    this.called.push({ of: `${provider}.${operation}`, ...(JSON.parse(input) as object) });
    const answer = this.#case.calls?.[this.#counts.calls];
    this.#counts.calls += 1;
    if (answer === undefined) throw new Error(`The case has no answer to ${provider}.${operation}.`);
    if ('nothing' in answer) return undefined;
    if ('problem' in answer) return { kind: 'problem', ...answer };
    return { kind: 'ok', output: JSON.stringify(answer.output) };
  }

  #record(journal: RunJournal): EffectAnswer {
    const answer = this.#case.records?.[this.#counts.records] ?? { stored: true };
    this.#counts.records += 1;
    if ('problem' in answer) return { kind: 'problem', ...answer };
    this.#keep(journal);
    return { kind: 'ok', output: 'null' };
  }

  #keep(run: RunJournal | null): void {
    for (const { ordinal, entry } of run?.journal ?? []) this.journal.set(ordinal, entry);
  }

  #after(ms: number, due: () => void): () => void {
    const timer = { at: this.#clock + ms, due };
    this.#timers.add(timer);
    this.#pump();
    return () => this.#timers.delete(timer);
  }

  /** Whatever can go on without time does so before the next turn of the event loop. */
  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    setImmediate(() => {
      this.#isPumping = false;
      const [first] = [...this.#timers].toSorted((a, b) => a.at - b.at);
      if (first === undefined) return;
      this.#timers.delete(first);
      this.#clock = Math.max(this.#clock, first.at);
      first.due();
      this.#pump();
    });
  }
}
