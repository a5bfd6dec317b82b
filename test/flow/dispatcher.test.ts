import { describe, expect, test } from 'vitest';
import type {
  Bus,
  ConsumeOptions,
  Consumer,
  Delivery,
  JournalEntry,
  Settlement,
} from '../../host/bus/bus.ts';
import { GtpackError } from '../../host/errors.ts';
import { parseEventType, parseTenantId, type TenantId } from '../../host/event/names.ts';
import { type CellSubmit, Dispatcher, type TenantConsume } from '../../host/flow/dispatcher.ts';
import type { Flow } from '../../host/flow/flow.ts';
import { runId } from '../../host/flow/match.ts';
import type { Job, JobResult, RunError, RunOutcome } from '../../host/sandbox/protocol.ts';

const tenant = parseTenantId('acme');

/** A bus of one tenant that a test delivers from by hand. */
class HandBus implements Pick<Bus, 'consume' | 'journals' | 'publish'> {
  readonly settled: Settlement[] = [];
  readonly asked: (readonly string[])[] = [];
  readonly known = new Map<string, readonly JournalEntry[]>();
  stopped = false;
  /** So many settlements are refused. */
  refusals = 0;
  refusesForGood = false;
  #options: ConsumeOptions | undefined;
  #waiting: (() => void) | undefined;

  deliver(...deliveries: Delivery[]): void {
    this.#options?.onDeliveries(deliveries);
  }

  /** Resolves when `count` deliveries are settled. */
  async settlements(count: number): Promise<Settlement[]> {
    while (this.settled.length < count) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    return this.settled;
  }

  async consume(_: TenantId, options: ConsumeOptions): Promise<Consumer> {
    this.#options = options;
    return {
      settle: async (settlement) => {
        if (this.refusals > 0) {
          this.refusals -= 1;
          const retryable = !this.refusesForGood;
          throw new GtpackError('bus_unavailable', 'The disk is full.', { retryable });
        }
        this.settled.push(settlement);
        this.#waiting?.();
      },
      stop: async () => {
        this.stopped = true;
      },
    };
  }

  async journals(runIds: readonly string[]): Promise<ReadonlyMap<string, readonly JournalEntry[]>> {
    this.asked.push(runIds);
    return this.known;
  }

  async publish(): Promise<never> {
    throw new Error('The dispatcher publishes nothing itself.');
  }

  tap(): () => void {
    return () => undefined;
  }

  async close(): Promise<void> {
    this.stopped = true;
  }
}

type RunJob = Extract<Job, { kind: 'run' }>;

class HandCells implements CellSubmit {
  readonly jobs: RunJob[] = [];
  answer: (job: RunJob) => Promise<JobResult> = async (job) => ({
    kind: 'runs',
    runs: job.runs.map(({ runId: id, flow }) => ok(id, flow)),
  });

  submit(_: TenantId, job: Job): Promise<JobResult> {
    if (job.kind !== 'run') throw new Error('A run was expected.');
    this.jobs.push(job);
    return this.answer(job);
  }
}

function ok(id: string, flow: string): RunOutcome {
  return {
    runId: id,
    flow,
    status: 'ok',
    output: '{"a": [1]}',
    journalJson: '[{"node":"a"}]',
    durationMs: 3,
  };
}

function failing(error: Partial<RunError>): (job: RunJob) => Promise<JobResult> {
  return async (job) => ({
    kind: 'runs',
    runs: job.runs.map(({ runId: id, flow }) => ({
      runId: id,
      flow,
      status: 'error',
      error: { code: 'script_threw', message: 'boom', node: 'a', retryable: false, ...error },
      journalJson: '[]',
      durationMs: 1,
    })),
  });
}

function pausing(retryAfterMs: number): (job: RunJob) => Promise<JobResult> {
  return async (job) => {
    const answer = await failing({ retryable: true })(job);
    if (answer.kind !== 'runs') throw new Error('Runs were expected.');
    return { kind: 'runs', runs: answer.runs.map((run) => ({ ...run, retryAfterMs })) };
  };
}

function flow(name: string, pattern: string): Flow {
  const triggers = [{ type: 'event', pattern, target: 'a' }] as const;
  return {
    name,
    version: '1',
    digest: '',
    file: '',
    nodes: [],
    triggers,
    scripts: {},
    answersWebhook: false,
  };
}

function delivery(id: string, type = 'order.created', more: Partial<Delivery> = {}): Delivery {
  return {
    id,
    type: parseEventType(type),
    json: `{"id":"${id}"}`,
    sequence: 1,
    attempt: 1,
    redelivered: false,
    ...more,
  };
}

async function open(flows: Flow[] = [flow('orders', 'order.*')], more: Partial<TenantConsume> = {}) {
  const bus = new HandBus();
  const versions = new Map<string, string>();
  const cells = new HandCells();
  const errors: unknown[] = [];
  const dispatcher = new Dispatcher({
    arrivals: { of: () => ({ offer: () => undefined }) },
    bus,
    cells,
    versions: {
      keep: async (_, kept) => {
        for (const { digest, json } of kept) versions.set(digest, json());
      },
      load: async (_, wanted) =>
        wanted.map(([name, digest]) => {
          const json = versions.get(digest);
          if (json === undefined) throw new GtpackError('flow_changed', 'It is not kept.');
          return { name, digest, isCurrent: flows.some((one) => one.digest === digest), json: () => json };
        }),
    },
    random: () => 0.5,
    now: () => 1_700_000_000_000,
    onSettleError: (_, error) => errors.push(error),
    settleAgainMs: 1,
  });
  await dispatcher.open(tenant, flows, { maxInFlight: 256, ...more });
  return { bus, cells, dispatcher, errors, versions };
}

const parkedAt = (due: number) => ({ due, waits: 1, journal: [{ ordinal: 0, entry: '{"n":0}' }] });

/** Runs that wait. */
const waiting =
  (due = 5000): HandCells['answer'] =>
  async (job) => ({
    kind: 'runs',
    runs: job.runs.map(({ runId: id, flow: name }) => ({
      ...{ runId: id, flow: name, status: 'waiting', waitMs: 90_000, parked: parkedAt(due) },
      ...{ journalJson: '[]', durationMs: 1 },
    })),
  });

/** What resumes the run that a settlement parks. */
function resumption(settlement: Settlement | undefined, sequence: number): Delivery {
  const parking = settlement?.kind === 'ack' ? settlement.parking : undefined;
  const [run] = parking?.runs ?? [];
  if (run === undefined) throw new Error('A parked run was expected.');
  const json = `{"id":"r","payload":${run.state}}`;
  const type = parseEventType('host.resume');
  return delivery('r', type, { json, schedule: `resume:${run.id}`, sequence });
}

describe('a run that waits', () => {
  test('is parked with what it goes on with, and goes on as the same run of the same event', async () => {
    const { bus, cells, versions } = await open(undefined, { maxParkedRuns: 9 });
    cells.answer = waiting();
    bus.deliver(delivery('e1', undefined, { sequence: 7 }));
    const [parked] = await bus.settlements(1);
    const run = runId(tenant, 'e1', 'orders', 0);
    expect(parked).toMatchObject({
      ...{ kind: 'ack', runs: [] },
      parking: { max: 9, delayMs: 90_000, runs: [{ id: `${run}.7`, runId: run, dueAt: 5000 }] },
    });
    expect([...versions.keys()]).toEqual(['']);

    // What was recorded since stands over what it was parked with.
    bus.known.set(run, [{ runId: run, ordinal: 1, entry: '{"n":1}' }]);
    cells.answer = async (job) => ({
      kind: 'runs',
      runs: job.runs.map(({ runId: id, flow: name }) => ok(id, name)),
    });
    bus.deliver(resumption(parked, 8));
    const [, ended] = await bus.settlements(2);
    expect(bus.asked).toEqual([[run]]);
    expect(cells.jobs[1]).toMatchObject({
      event: delivery('e1').json,
      runs: [{ runId: run, flow: 'orders', trigger: 0, position: 8, journal: ['{"n":0}', '{"n":1}'] }],
    });
    expect(cells.jobs[1]?.runs[0]?.versions).toBeUndefined();
    expect(ended).toMatchObject({ kind: 'ack', runs: [{ runId: run, event: { id: 'e1' } }] });
    if (ended?.kind !== 'ack') throw new Error('An acknowledgement was expected.');
    expect(JSON.parse(ended.runs[0]?.resultJson ?? '')).toMatchObject({ event_id: 'e1', run_id: run });
  });

  test('goes on through the version of its flow that it began with', async () => {
    const first = await open([{ ...flow('orders', '>'), digest: 'old' }], { maxParkedRuns: 9 });
    first.cells.answer = waiting();
    first.bus.deliver(delivery('e1'));
    const [parked] = await first.bus.settlements(1);

    for (const flows of [[{ ...flow('orders', '>'), digest: 'new' }], []]) {
      const { bus, cells, versions } = await open(flows, { maxParkedRuns: 9 });
      bus.deliver(resumption(parked, 8));
      expect(await bus.settlements(1)).toMatchObject([
        { kind: 'dead', reason: expect.stringContaining('Flow orders: flow_changed') },
      ]);
      for (const [digest, json] of first.versions) versions.set(digest, json);
      bus.deliver(resumption(parked, 9));
      expect((await bus.settlements(2))[1]).toMatchObject({ kind: 'ack', runs: [{ flowDigest: 'old' }] });
      const [text = ''] = cells.jobs[0]?.runs[0]?.versions ?? [];
      expect(JSON.parse(text)).toMatchObject({ name: 'orders', digest: 'old' });
    }
  });

  test.each([
    ['its tenant is ordered', { ordered: true, maxParkedRuns: 9 }],
    ['nothing may be parked', {}],
  ])('waits with its event where %s', async (_, consume) => {
    const { bus, cells } = await open(undefined, consume);
    cells.answer = waiting();
    bus.deliver(delivery('e1'));
    expect(await bus.settlements(1)).toMatchObject([{ kind: 'nak', delayMs: 90_000 }]);
  });

  test('waits with its event where what it goes on with is too large', async () => {
    const { bus, cells } = await open(undefined, { maxParkedRuns: 9 });
    cells.answer = waiting();
    bus.deliver(delivery('e1', undefined, { json: JSON.stringify({ text: 'x'.repeat(256 * 1024) }) }));
    expect(await bus.settlements(1)).toMatchObject([{ kind: 'nak', delayMs: 90_000 }]);
  });

  test('has attempts of its own once it goes on', async () => {
    const { bus, cells } = await open(undefined, { maxParkedRuns: 9 });
    cells.answer = waiting();
    bus.deliver(delivery('e1'));
    const [parked] = await bus.settlements(1);
    cells.answer = async (job) => {
      const answer = await failing({ retryable: true })(job);
      if (answer.kind !== 'runs') throw new Error('Runs were expected.');
      return { kind: 'runs', runs: answer.runs.map((run) => ({ ...run, waits: 1 })) };
    };
    bus.deliver({ ...resumption(parked, 8), attempt: 4 });
    bus.deliver({ ...resumption(parked, 9), attempt: 5 });
    const [, fourth, fifth] = await bus.settlements(3);
    expect(fourth?.kind).toBe('nak');
    expect(fifth?.kind).toBe('dead');
  });
});

test('an event whose run is to go on later comes again then, and no run of it is stored before', async () => {
  const { bus, cells } = await open([flow('a', '>'), flow('b', '>')]);
  cells.answer = async (job) => {
    const [a, b] = job.runs.map(({ runId: id, flow: name }) => ok(id, name));
    if (a === undefined || b === undefined) throw new Error('Two runs were expected.');
    const failed = { code: 'script_threw', message: 'boom', node: 'a', retryable: false };
    const first: RunOutcome = { ...a, status: 'waiting', waitMs: 90_000 };
    return { kind: 'runs', runs: [first, { ...b, status: 'error', error: failed }] };
  };
  bus.deliver(delivery('e1'));
  expect(await bus.settlements(1)).toMatchObject([{ kind: 'nak', delayMs: 90_000 }]);
});

test('what a run waits for is not held against its event, even where a restart forgot it', async () => {
  const { bus, cells } = await open();
  const failed = { code: 'http_status_unexpected', message: '503', node: 'a', retryable: true };
  cells.answer = async (job) => ({
    kind: 'runs',
    runs: job.runs.map(({ runId: id, flow: name }) => ({
      ...ok(id, name),
      status: 'error',
      error: failed,
      waits: 4,
    })),
  });
  bus.deliver(delivery('e1', 'order.created', { attempt: 8 }));
  expect(await bus.settlements(1)).toMatchObject([{ kind: 'nak' }]);
  bus.deliver(delivery('e1', 'order.created', { attempt: 9, sequence: 2 }));
  expect((await bus.settlements(2))[1]).toMatchObject({ kind: 'dead' });
});

test('a run that its trigger did not want leaves no result', async () => {
  const { bus, cells } = await open([flow('a', '>'), flow('b', '>')]);
  cells.answer = async (job) => ({
    kind: 'runs',
    runs: job.runs.map(({ runId: id, flow: name }) =>
      name === 'a' ? { ...ok(id, name), status: 'passed' } : ok(id, name),
    ),
  });
  bus.deliver(delivery('e1'));
  expect(await bus.settlements(1)).toMatchObject([{ kind: 'ack', runs: [{ flow: 'b' }] }]);
});

test('an event that no flow waits for is acknowledged at once, without a cell', async () => {
  const { bus, cells, dispatcher } = await open();
  bus.deliver(delivery('e1', 'user.created'));
  expect(await bus.settlements(1)).toMatchObject([{ kind: 'ack', runs: [] }]);
  expect(cells.jobs).toEqual([]);
  expect(await dispatcher.stop(1000)).toBe(0);
});

describe('an event that calls a flow by its name', () => {
  const callable: Flow = { ...flow('later', 'order.*'), triggers: [{ type: 'call', target: 'a' }] };

  test('runs that flow alone, and an event that only looks like it runs none', async () => {
    const { bus, cells } = await open([flow('all', '>'), callable]);
    bus.deliver(delivery('e1', 'host.call', { schedule: 'call:later' }), delivery('e2', 'host.call'));
    await bus.settlements(2);
    expect(cells.jobs.map(({ runs }) => runs.map((order) => [order.flow, order.trigger]))).toEqual([
      [['later', 0]],
      [['all', 0]],
    ]);
  });

  test('is a dead letter where the flow was removed', async () => {
    const { bus } = await open([flow('all', '>')]);
    bus.deliver(delivery('e1', 'host.call', { schedule: 'call:later' }));
    expect(await bus.settlements(1)).toMatchObject([
      { kind: 'dead', reason: 'Flow later: flow_unknown: The flow cannot be called by its name any more.' },
    ]);
  });
});

test('all runs of an event go to the cell as one job, and its text is not touched', async () => {
  const { bus, cells } = await open([flow('a', 'order.created'), flow('b', '>'), flow('c', 'user.*')]);
  bus.deliver(delivery('e1'));
  await bus.settlements(1);
  expect(cells.jobs).toEqual([
    {
      kind: 'run',
      event: '{"id":"e1"}',
      attempt: 1,
      runs: [
        { runId: runId('acme', 'e1', 'a', 0), flow: 'a', trigger: 0, position: 1, journal: [] },
        { runId: runId('acme', 'e1', 'b', 0), flow: 'b', trigger: 0, position: 1, journal: [] },
      ],
    },
  ]);
});

test('a result carries the output as the text it is', async () => {
  const { bus } = await open();
  bus.deliver(delivery('e1'));
  const [settlement] = await bus.settlements(1);
  const id = runId('acme', 'e1', 'orders', 0);
  expect(settlement).toMatchObject({
    kind: 'ack',
    runs: [{ runId: id, flow: 'orders', status: 'ok', journalJson: '[{"node":"a"}]' }],
  });
  const run = settlement?.kind === 'ack' ? settlement.runs[0] : undefined;
  expect(run?.resultJson).toBe(
    `{"event_id":"e1","run_id":"${id}","flow":"orders","status":"ok","output":{"a": [1]},"attempts":1,"duration_ms":3}`,
  );
});

test('an error that repeating does not mend makes a dead letter at once, with its runs', async () => {
  const { bus, cells } = await open();
  cells.answer = failing({});
  bus.deliver(delivery('e1'));
  const [settlement] = await bus.settlements(1);
  expect(settlement).toMatchObject({ kind: 'dead', reason: 'Flow orders: script_threw: boom' });
  const run = settlement?.kind === 'dead' ? settlement.runs[0] : undefined;
  expect(JSON.parse(run?.resultJson ?? '')).toMatchObject({
    status: 'error',
    error: { code: 'script_threw', message: 'boom', node: 'a' },
    attempts: 1,
  });
});

describe('B5: an error that may go away is tried again, later and later', () => {
  test.each([
    [1, 250],
    [2, 500],
    [3, 1000],
    [4, 2000],
  ])('attempt %i waits up to twice %i ms', async (attempt, delayMs) => {
    const { bus, cells } = await open();
    cells.answer = failing({ retryable: true });
    bus.deliver(delivery('e1', 'order.created', { attempt }));
    expect(await bus.settlements(1)).toMatchObject([{ kind: 'nak', delayMs }]);
  });

  test('no sooner than a vendor asked for, and no later than a day', async () => {
    const { bus, cells } = await open();
    for (const [at, pause] of [20, 7000, 1e12].entries()) {
      cells.answer = pausing(pause);
      bus.deliver(delivery(`e${at}`));
      await bus.settlements(at + 1);
    }
    expect(bus.settled.map((settlement) => settlement.kind === 'nak' && settlement.delayMs)).toEqual([
      250, 7000, 86_400_000,
    ]);
  });

  test("an event that is another host's by now is let go, whatever its runs came to", async () => {
    const { bus, cells } = await open([flow('a', '>'), flow('b', '>')]);
    cells.answer = async (job) => {
      const [a, b] = job.runs.map(({ runId: id, flow: name }) => ok(id, name));
      if (a === undefined || b === undefined) throw new Error('Two runs were expected.');
      const error = { code: 'script_threw', message: 'boom', node: 'a', retryable: false };
      const taken = { ...error, code: 'run_taken', retryable: true };
      return {
        kind: 'runs',
        runs: [
          { ...a, status: 'error', error },
          { ...b, status: 'error', error: taken },
        ],
      };
    };
    bus.deliver(delivery('e1', 'order.created', { attempt: 5 }));
    expect(await bus.settlements(1)).toMatchObject([{ kind: 'nak', delayMs: 0 }]);
  });

  test('after the fifth attempt it is a dead letter', async () => {
    const { bus, cells } = await open();
    cells.answer = failing({ retryable: true });
    bus.deliver(delivery('e1', 'order.created', { attempt: 5 }));
    expect(await bus.settlements(1)).toMatchObject([
      { kind: 'dead', reason: 'Flow orders: script_threw: boom (attempt 5 of 5)' },
    ]);
  });

  test('a full queue or a stopping host never use an event up, and the wait is capped', async () => {
    const { bus, cells } = await open();
    const codes = ['cell_busy', 'host_stopping', 'bus_unavailable', 'bus_disk_full', 'tenant_rate_exceeded'];
    for (const [at, code] of codes.entries()) {
      cells.answer = async () => ({ kind: 'error', code, message: 'later' });
      bus.deliver(delivery(`e${at}`, 'order.created', { attempt: 500 }));
    }
    for (const settlement of await bus.settlements(codes.length)) {
      expect(settlement).toMatchObject({ kind: 'nak', delayMs: 30_000 });
    }
  });

  test('what another event did to the cell uses up none of its attempts, however often', async () => {
    const { bus, cells } = await open();
    const fail = async (code: string, attempt: number): Promise<unknown> => {
      cells.answer = async () => ({ kind: 'error', code, message: 'gone' });
      bus.deliver(delivery('e1', 'order.created', { attempt }));
      return (await bus.settlements(attempt)).at(-1);
    };
    // Half of the first step: a new cell is there at once.
    for (let attempt = 1; attempt <= 20; attempt += 1)
      expect(await fail('cell_ended', attempt)).toMatchObject({ kind: 'nak', delayMs: 250 });
    for (let attempt = 21; attempt <= 24; attempt += 1)
      expect(await fail('cell_lost', attempt)).toMatchObject({ kind: 'nak' });
    expect(await fail('cell_lost', 25)).toMatchObject({
      kind: 'dead',
      reason: 'Flow orders: cell_lost: gone (attempt 5 of 5)',
    });
  });

  test('a lost cell is retried, a guest that overran is not', async () => {
    const { bus, cells } = await open();
    cells.answer = async () => ({ kind: 'error', code: 'cell_lost', message: 'The cell was ended.' });
    bus.deliver(delivery('e1'));
    await bus.settlements(1);
    cells.answer = async () => ({ kind: 'error', code: 'guest_timeout', message: 'It ran too long.' });
    bus.deliver(delivery('e2'));
    expect((await bus.settlements(2)).map(({ kind }) => kind)).toEqual(['nak', 'dead']);
  });

  test('one final failure among retryable ones decides', async () => {
    const { bus, cells } = await open([flow('a', 'order.*'), flow('b', 'order.*')]);
    cells.answer = async (job) => {
      const [first, second] = await Promise.all([failing({ retryable: true })(job), failing({})(job)]);
      if (first.kind !== 'runs' || second.kind !== 'runs') throw new Error('Runs were expected.');
      return { kind: 'runs', runs: [...first.runs.slice(0, 1), ...second.runs.slice(1)] };
    };
    bus.deliver(delivery('e1'));
    expect(await bus.settlements(1)).toMatchObject([{ kind: 'dead', runs: [{ flow: 'a' }, { flow: 'b' }] }]);
  });
});

describe('whatever the cell does, the event is settled', () => {
  test.each<[string, () => Promise<JobResult>, string]>([
    ['a rejection that is retryable', () => Promise.reject(new GtpackError('cell_lost', 'gone')), 'nak'],
    ['a rejection that is not', () => Promise.reject(new Error('a bug')), 'dead'],
    [
      'a throw',
      () => {
        throw new GtpackError('cell_busy', 'full');
      },
      'nak',
    ],
    ['an answer of another kind', async () => ({ kind: 'output', output: '1' }), 'dead'],
    ['an answer without the run', async () => ({ kind: 'runs', runs: [] }), 'dead'],
    ['an unknown code', async () => ({ kind: 'error', code: 'toString', message: 'x' }), 'dead'],
  ])('%s', async (_, answer, kind) => {
    const { bus, cells, dispatcher } = await open();
    cells.answer = answer;
    bus.deliver(delivery('e1'));
    expect(await bus.settlements(1)).toMatchObject([{ kind }]);
    expect(await dispatcher.stop(1000)).toBe(0);
  });
});

describe('journals', () => {
  test('are read for events that may have one, in one question for the batch, and in order', async () => {
    const { bus, cells } = await open();
    const id = runId('acme', 'e2', 'orders', 0);
    bus.known.set(id, [
      { runId: id, ordinal: 1, entry: '{"node":"b"}' },
      { runId: id, ordinal: 0, entry: '{"node":"a"}' },
    ]);
    bus.deliver(
      delivery('e1'),
      delivery('e2', 'order.created', { redelivered: true }),
      delivery('e3', 'order.created', { attempt: 2 }),
    );
    await bus.settlements(3);
    expect(bus.asked).toEqual([[id, runId('acme', 'e3', 'orders', 0)]]);
    const journals = new Map(cells.jobs.map((job) => [job.event, job.runs[0]?.journal]));
    expect(journals).toEqual(
      new Map([
        ['{"id":"e1"}', []],
        ['{"id":"e2"}', ['{"node":"a"}', '{"node":"b"}']],
        ['{"id":"e3"}', []],
      ]),
    );
  });

  test('that cannot be read send the events back, and nothing runs', async () => {
    const { bus, cells } = await open();
    bus.journals = () => Promise.reject(new GtpackError('bus_unavailable', 'locked'));
    bus.deliver(
      delivery('e1', 'order.created', { redelivered: true }),
      delivery('e2', 'order.created', { redelivered: true }),
    );
    expect(await bus.settlements(2)).toMatchObject([{ kind: 'nak' }, { kind: 'nak' }]);
    expect(cells.jobs).toEqual([]);
  });

  test('a run that the cell lost keeps the journal that it had', async () => {
    const { bus, cells } = await open();
    const id = runId('acme', 'e1', 'orders', 0);
    bus.known.set(id, [{ runId: id, ordinal: 0, entry: '{"node":"a"}' }]);
    cells.answer = async () => ({ kind: 'error', code: 'guest_timeout', message: 'It ran too long.' });
    bus.deliver(delivery('e1', 'order.created', { redelivered: true }));
    expect(await bus.settlements(1)).toMatchObject([
      { kind: 'dead', runs: [{ journalJson: '[{"node":"a"}]' }] },
    ]);
  });
});

describe('B7: stopping', () => {
  test('waits for what is in flight', async () => {
    const { bus, cells, dispatcher } = await open();
    const gate = Promise.withResolvers<void>();
    const { answer } = cells;
    cells.answer = async (job) => {
      await gate.promise;
      return answer(job);
    };
    bus.deliver(delivery('e1'));
    const stopping = dispatcher.stop(60_000);
    gate.resolve();
    expect(await stopping).toBe(0);
    expect(bus.stopped).toBe(true);
    expect(bus.settled).toMatchObject([{ kind: 'ack' }]);
  });

  test('gives up after the grace, says how many are left, and settles nothing afterwards', async () => {
    const { bus, cells, dispatcher } = await open();
    const gate = Promise.withResolvers<JobResult>();
    cells.answer = () => gate.promise;
    bus.deliver(delivery('e1'), delivery('e2'));
    expect(await dispatcher.stop(1)).toBe(2);
    gate.resolve({ kind: 'error', code: 'cell_lost', message: 'The host stopped.' });
    await gate.promise;
    expect(bus.settled).toEqual([]);
  });

  test('a settlement that is not stored is told once, and tried again until it is', async () => {
    const { bus, dispatcher, errors } = await open();
    bus.refusals = 3;
    bus.deliver(delivery('e1'));
    await bus.settlements(1);
    expect(bus.settled).toMatchObject([{ kind: 'ack', delivery: { id: 'e1' } }]);
    expect(errors).toMatchObject([{ code: 'bus_unavailable' }]);
    expect(await dispatcher.stop(1000)).toBe(0);
  });

  test('a settlement that cannot be stored is left when the grace is over, and one refused for good at once', async () => {
    const { bus, dispatcher } = await open();
    bus.refusals = Number.POSITIVE_INFINITY;
    bus.deliver(delivery('e1'));
    expect(await dispatcher.stop(1)).toBe(1);
    const other = await open();
    other.bus.refusals = 1;
    other.bus.refusesForGood = true;
    other.bus.deliver(delivery('e1'));
    expect(await other.dispatcher.stop(1000)).toBe(0);
    expect(other.bus.settled).toEqual([]);
  });
});

test('a tenant is opened once', async () => {
  const { dispatcher } = await open();
  await expect(dispatcher.open(tenant, [], { maxInFlight: 256 })).rejects.toThrow('open already');
});
