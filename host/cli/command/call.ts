import { readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseGrantOptions } from '../../deploy/install/written-grant.ts';
import { errorMessage, GtpackError } from '../../errors.ts';
import type { Json } from '../../event/json.ts';
import { parseBoundedJson } from '../../event/json-bounds.ts';
import { type Grants, grantsShape, parseGrants } from '../../grant/grants.ts';
import { isSecretName } from '../../grant/secret-name.ts';
import { DEFAULT_LIMITS } from '../../limits.ts';
import type { CallAnswer, CalledEffect, CallReport } from '../../running-host.ts';
import { hostLogTo, note, plain, print } from '../output.ts';
import type { Rooms } from '../rooms.ts';
import { textInput } from '../text-input.ts';
import type { CliWorld } from '../world.ts';

export interface CallCommandOptions {
  /** JSON text, or `-` for stdin. */
  readonly input: string;
  readonly provider: string | undefined;
  readonly grants: readonly string[];
  /** `NAME=VALUE`. */
  readonly secrets: readonly string[];
  /** A file with a JSON object, which the call reads and writes. */
  readonly stateFile: string | undefined;
  /** JSON text. */
  readonly config: string;
  readonly stubHttp: boolean;
  readonly json: boolean;
}

const BOUNDS = {
  maxBytes: DEFAULT_LIMITS.maxArchiveBytes,
  maxDepth: DEFAULT_LIMITS.maxJsonDepth,
  maxElements: 1_000_000,
};

/**
 * Calls one operation of a pack or of a bare WebAssembly.
 * @param words the operation, or `invoke` and the operation
 * @returns 1 when the provider answers with a problem
 */
export async function call(
  world: CliWorld,
  rooms: Rooms,
  file: string,
  words: readonly [string, string | undefined],
  options: CallCommandOptions,
): Promise<number> {
  const secrets = parseSecrets(options.secrets);
  const stateFile = options.stateFile === undefined ? undefined : resolve(world.cwd, options.stateFile);
  const state = stateFile === undefined ? new Map<string, string>() : await readState(stateFile);
  const report = await rooms.callPlugin(
    resolve(world.cwd, file),
    operationOf(words),
    await textInput(world, options.input),
    {
      log: hostLogTo(world),
      provider: options.provider,
      grants: grantsOf(options.grants, secrets, stateFile !== undefined),
      secrets,
      state,
      config: parseBoundedJson(options.config, BOUNDS, 'The config') as Json,
      stubHttp: options.stubHttp,
    },
  );
  if (stateFile !== undefined) await writeState(stateFile, report.state);
  if (options.json) await print(world, reportJson(report));
  else await showReport(world, report);
  return report.answer.kind === 'output' ? 0 : 1;
}

/** `invoke` takes the operation's name after it, so that one called `describe` can be meant as well. */
function operationOf([first, second]: readonly [string, string | undefined]): string {
  if (first === 'invoke' && second !== undefined) return second;
  if (second === undefined) return first;
  throw new GtpackError('option_invalid', `One operation was expected; ${first} and ${second} came.`, {
    cure: 'Write: gtpack call FILE invoke OPERATION, or the operation alone.',
  });
}

/** What a bundle would write for it, with room for trying: hosts by any method and scheme, `*` for any of them. */
function grantsOf(
  options: readonly string[],
  secrets: ReadonlyMap<string, string>,
  hasState: boolean,
): Grants {
  const written: Record<string, Json> = Object.fromEntries(
    parseGrantOptions(options).map(({ capability, value }) => [capability, value]),
  );
  if (hasState) written.state ??= {};
  if (secrets.size > 0) written.secrets ??= [...secrets.keys()];
  const { http } = written;
  if (isHostsAlone(http)) written.http = { hosts: http.hosts.flatMap(anyScheme), methods: METHODS };
  return parseGrants(grantsShape.parse(written));
}

const METHODS = ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE'];

function isHostsAlone(grant: Json | undefined): grant is { readonly hosts: string[] } {
  return (
    typeof grant === 'object' && grant !== null && Object.keys(grant).join() === 'hosts' && 'hosts' in grant
  );
}

function anyScheme(host: string): string[] {
  if (host === '*') return ['*:*', 'http://*:*'];
  return host.includes('://') ? [host] : [host, `http://${host}`];
}

function parseSecrets(options: readonly string[]): ReadonlyMap<string, string> {
  const secrets = new Map<string, string>();
  for (const option of options) {
    const at = option.indexOf('=');
    const name = option.slice(0, Math.max(at, 0));
    // The option itself is not shown: it may be the secret alone.
    if (!isSecretName(name)) {
      throw new GtpackError('option_invalid', '--secret: NAME=VALUE was expected.', {
        cure: 'A name is letters, digits and "_".',
      });
    }
    secrets.set(name, option.slice(at + 1));
  }
  return secrets;
}

/** A file that is not there yet is an empty store. */
async function readState(file: string): Promise<Map<string, string>> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return new Map();
    throw new GtpackError('file_unreadable', `The state cannot be read: ${errorMessage(error)}.`, { file });
  }
  const value = parseBoundedJson(text, BOUNDS, 'The state') as Json;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new GtpackError('json_invalid', 'The state has to be a JSON object of values by key.', { file });
  }
  return new Map(Object.entries(value).map(([key, each]) => [key, JSON.stringify(each)]));
}

async function writeState(file: string, state: ReadonlyMap<string, string>): Promise<void> {
  const entries = [...state].map(([key, json]) => `  ${JSON.stringify(key)}: ${json}`);
  await writeFile(file, entries.length === 0 ? '{}\n' : `{\n${entries.join(',\n')}\n}\n`);
}

/** The output stands in it as it came. */
function reportJson({ answer, effects, durationMs, memoryBytes }: CallReport): string {
  const head =
    answer.kind === 'output' ? `"ok":true,"output":${oneLine(answer.output)}` : problemJson(answer);
  const tail = JSON.stringify({
    host_calls: effects.map(({ durationMs: duration, ...effect }) => ({ ...effect, duration_ms: duration })),
    duration_ms: durationMs,
    memory_bytes: memoryBytes,
  });
  return `{${head},${tail.slice(1)}`;
}

function problemJson({ problem }: Extract<CallAnswer, { kind: 'problem' }>): string {
  return `"ok":false,"problem":${JSON.stringify(problem)}`;
}

async function showReport(
  world: CliWorld,
  { answer, effects, durationMs, memoryBytes }: CallReport,
): Promise<void> {
  if (answer.kind === 'output') await print(world, plain(oneLine(answer.output)));
  else {
    const { code, message } = answer.problem;
    await note(world, plain(`The provider answered with the problem ${code}: ${message}`));
  }
  // For those who watch: what is denied was told already.
  if (!world.showsProgress) return;
  await note(
    world,
    ...effects.map((effect) => plain(effectLine(effect))),
    `${durationMs.toFixed(1)} ms, ${Math.ceil(memoryBytes / 1024)} KiB of memory.`,
  );
}

function effectLine({ capability, fn, target, decision, code }: CalledEffect): string {
  return `${capability}.${fn} ${target === '' ? '' : `${target} `}${decision}${code === null ? '' : ` (${code})`}`;
}

/** In JSON a line break can only stand between tokens. */
function oneLine(json: string): string {
  return json.replace(/[\r\n]+/g, ' ');
}
