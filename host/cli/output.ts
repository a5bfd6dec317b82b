import { relative } from 'node:path';
import type { Writable } from 'node:stream';
import { inspect } from 'node:util';
import { errorMessage, formatProblem, GtpackError, type Problem } from '../errors.ts';
import type { HostLog } from '../running-host.ts';
import type { CliWorld } from './world.ts';

/** Control characters, and those that turn the direction of writing: text from packs and senders may hold them. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Text that can't move the cursor or hide what it says, on one line. */
export function plain(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\u{${code.toString(16)}}`;
  });
}

/** Writes lines to stdout. Resolves when there is room for more, or when nobody reads them any more. */
export function print(world: CliWorld, ...lines: readonly string[]): Promise<void> {
  return write(world, world.stdout, lines);
}

/** Writes lines for people to stderr. */
export function note(world: CliWorld, ...lines: readonly string[]): Promise<void> {
  return write(world, world.stderr, lines);
}

/** One JSON document on stdout. */
export function printJson(world: CliWorld, value: unknown): Promise<void> {
  return print(world, JSON.stringify(value));
}

function write({ stop }: CliWorld, stream: Writable, lines: readonly string[]): Promise<void> {
  if (stream.destroyed || stream.write(lines.map((line) => `${line}\n`).join(''))) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off('drain', done);
      stream.off('close', done);
      stop.removeEventListener('abort', done);
      resolve();
    };
    stream.on('drain', done);
    stream.on('close', done);
    stop.addEventListener('abort', done);
    if (stop.aborted) done();
  });
}

/** A problem with its file as the user would write it. */
export function problemLine(world: CliWorld, problem: Problem): string {
  const { file } = problem;
  return plain(formatProblem(file === undefined ? problem : { ...problem, file: shownPath(world, file) }));
}

/** A path relative to where the user is, where that is shorter. */
export function shownPath(world: CliWorld, path: string): string {
  const shorter = relative(world.cwd, path);
  if (shorter === '') return '.';
  return shorter.startsWith('..') ? path : shorter;
}

/** An error as lines on stderr; its cause with `GTPACK_DEBUG=1`. */
export async function noteError(world: CliWorld, error: unknown): Promise<void> {
  if (error instanceof GtpackError) {
    await note(world, ...error.problems.map((problem) => problemLine(world, problem)));
  } else {
    await note(
      world,
      plain(`gtpack failed: ${errorMessage(error)}`),
      'This is a fault of gtpack. GTPACK_DEBUG=1 shows where it happened.',
    );
  }
  if (world.env.GTPACK_DEBUG === '1') await note(world, inspect(error));
}

/** An error as the one JSON document of a command. */
export function errorJson(error: unknown): unknown {
  if (error instanceof GtpackError) return { error: { code: error.code, problems: error.problems } };
  const message = errorMessage(error);
  return { error: { code: 'host_failed', problems: [{ code: 'host_failed', message }] } };
}

/** The host's log, a line each, on stderr. */
export function hostLogTo(world: CliWorld): HostLog {
  return ({ level, message, tenant, provider, flow, node, run }) => {
    if (level === 'debug' && world.env.GTPACK_DEBUG !== '1') return;
    const who = provider ?? (flow === undefined ? undefined : `flow:${flow}`);
    const where = run === undefined ? '' : ` (${node === undefined ? '' : `node ${node}, `}run ${run})`;
    const about = `${[tenant, who].filter((part) => part !== undefined).join('/')}${where}`;
    void note(world, plain(`${level.padEnd(5)} ${about === '' ? '' : `${about}: `}${message}`));
  };
}
