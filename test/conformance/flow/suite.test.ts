import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import type { Problem } from '../../../host/errors.ts';
import { ScriptEngine } from '../../../host/flow/script/engine.ts';
import { loadScriptWasm } from '../../../host/flow/script/script-wasm.ts';
import { DEFAULT_LIMITS } from '../../../host/limits.ts';
import type { RunOutcome } from '../../../host/sandbox/protocol.ts';
import { caseFile, type FlowCase } from './case.ts';
import { type Trial, tryCase } from './trial.ts';

const HERE = new URL('./', import.meta.url);

let engine: ScriptEngine;
beforeAll(async () => {
  engine = await ScriptEngine.create({
    wasmModule: new WebAssembly.Module((await loadScriptWasm()) as Uint8Array<ArrayBuffer>),
    maxResultBytes: DEFAULT_LIMITS.maxEventBytes,
  });
});
afterAll(() => engine.dispose());

const files = readdirSync(HERE).filter((name) => name.endsWith('.yaml'));
const cases = new Map(files.map((name) => [name, casesOf(name)]));

test('the conformance cases are 120 or more, each with a title of its own', () => {
  const titles = [...cases].flatMap(([name, all]) => all.map(({ title }) => `${name}: ${title}`));
  expect(titles.length).toBeGreaterThanOrEqual(120);
  expect(new Set(titles).size).toBe(titles.length);
});

describe.each([...cases])('%s', (_, all) => {
  test.each(all.map((each) => [each.title, each] as const))('%s', async (_title, flowCase) => {
    const trial = await tryCase(flowCase, engine);
    if (flowCase.refused !== undefined) {
      expectRefusals(trial.problems, flowCase.refused);
      return;
    }
    expect(trial.problems).toEqual([]);
    expect([...trial.runs.keys()]).toEqual(flowCase.starts ?? ['main/0']);
    const outcome = trial.runs.get(flowCase.starts?.[0] ?? 'main/0');
    if (outcome === undefined) expect(flowCase.starts).toEqual([]);
    else expectOutcome(outcome, flowCase);
    expectWorld(trial, flowCase);
  });
});

function casesOf(name: string): FlowCase[] {
  const read = caseFile.safeParse(parse(readFileSync(new URL(name, HERE), 'utf8')));
  if (read.success) return read.data;
  throw new Error(`${name}: ${read.error.message}`);
}

function expectRefusals(problems: readonly Problem[], refused: NonNullable<FlowCase['refused']>): void {
  const wanted = refused.map(({ message, cure, ...exact }) => ({
    code: 'flow_invalid',
    file: 'main.ygtc',
    ...exact,
    message: expect.stringContaining(message),
    ...(cure === undefined ? {} : { cure: expect.stringContaining(cure) }),
  }));
  expect(problems).toMatchObject(wanted);
}

function expectOutcome(outcome: RunOutcome, { result, journal }: FlowCase): void {
  expect(result, 'The case says nothing of the result.').toBeDefined();
  if (result === undefined) return;
  const output = outcome.output === undefined ? undefined : (JSON.parse(outcome.output) as unknown);
  if ('output' in result) {
    expect({ error: outcome.error, output }).toEqual({ output: result.output });
  } else {
    const { message = '', code, node, retryable = false, retry_after_ms: retryAfterMs } = result;
    expect(outcome).toMatchObject({
      status: 'error',
      error: {
        code,
        message: expect.stringContaining(message),
        retryable,
        ...(node === undefined ? {} : { node }),
      },
    });
    expect(outcome.retryAfterMs).toBe(retryAfterMs);
  }
  if (journal === undefined) return;
  const entries = JSON.parse(outcome.journalJson) as Entry[];
  expect(entries.map((entry, at) => shown(entry, journal[at] ?? {}))).toEqual(journal.map(wanted));
}

interface Entry {
  readonly node: string;
  readonly status: string;
  readonly [key: string]: unknown;
  readonly error?: { readonly code: string };
  readonly tries?: readonly { readonly code: string }[];
  readonly notes?: readonly string[];
}

/** Held where the case gives them. */
const OPTIONAL = ['next', 'output', 'effects'] as const;

function shown(entry: Entry, held: object): unknown {
  const { node, status, frame, waits, error, tries, notes } = entry;
  const optional = OPTIONAL.filter((key) => key in held).map((key) => [key, entry[key]]);
  return {
    node,
    status,
    frame,
    waits,
    error: error?.code,
    tries: tries?.map(({ code }) => code),
    notes,
    ...(Object.fromEntries(optional) as object),
  };
}

function wanted({ notes, ...entry }: NonNullable<FlowCase['journal']>[number]): unknown {
  const contained = notes?.map((note) => expect.stringContaining(note) as unknown);
  return { ...entry, ...(contained === undefined ? {} : { notes: contained }) };
}

function expectWorld({ world }: Trial, flowCase: FlowCase): void {
  const { sent = [], called = [], published = [], logged = [], answer } = flowCase;
  expect(world.sent).toMatchObject(sent);
  expect(world.called).toEqual(called);
  expect(world.published).toMatchObject(published);
  expect(world.logged).toEqual(logged);
  const answers = world.answers.map(({ status, headers, body }) => ({
    status,
    ...(answer?.headers === undefined ? {} : { headers }),
    ...(answer?.body === undefined
      ? {}
      : { body: typeof answer.body === 'string' ? body : (JSON.parse(body) as unknown) }),
  }));
  expect(answers).toEqual(answer === undefined ? [] : [answer]);
}
