import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PluginExport } from '../contract.ts';
import { GtpackError } from '../errors.ts';
import type { Json } from '../event/json.ts';
import { parseBoundedJson } from '../event/json-bounds.ts';
import { parseTenantId } from '../event/names.ts';
import { loadScriptWasm } from '../flow/script/script-wasm.ts';
import { NO_GRANTS } from '../grant/grants.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import type { Pack, PackProvider } from '../pack/pack.ts';
import { readPack } from '../pack/read-pack.ts';
import type { CallAnswer, CallPlugin } from '../running-host.ts';
import { jcoVersion } from '../sandbox/jco-version.ts';
import type { IngestRequest, Job, JobResult, Tick } from '../sandbox/protocol.ts';
import { Sandbox } from '../sandbox/sandbox.ts';
import { Transpiler } from '../sandbox/transpiler.ts';
import { ALONE } from './check.ts';
import { digestOf } from './digest.ts';
import { codeOf } from './provider-code.ts';

/**
 * Calls a pack's provider once, in a real cell with the real limits, with nothing granted. The input of `ingest` and
 * `tick` has the fields of sdk/wit, each with a default.
 */
export const callPlugin: CallPlugin = async (file, operation, input, options) => {
  const pack = await readPack(file);
  const provider = providerOf(pack, options.provider);
  const job = jobOf(operation, input, provider);
  const cacheDir = await mkdtemp(join(tmpdir(), 'gtpack-call-'));
  const sandbox = new Sandbox({
    ...ALONE,
    onLog: (_, { source, level, message }) => options.log({ level, message, provider: source }),
  });
  try {
    const wasm = await loadScriptWasm();
    const scriptModule = await digestOf(wasm);
    const transpiler = new Transpiler({
      cacheDir,
      version: jcoVersion,
      wallMs: DEFAULT_LIMITS.transpileWallMs,
      memoryBytes: DEFAULT_LIMITS.transpileMemoryBytes,
    });
    const binding = {
      id: provider.id,
      pack: file,
      line: 1,
      enabled: true,
      allowUnsigned: false,
      config: null,
      grants: NO_GRANTS,
    };
    const tenant = parseTenantId('call');
    const { spec, modules } = await codeOf(binding, pack, provider, {
      transpiler,
      bundleFile: file,
      env: 'dev',
      tenant,
    });
    sandbox.register(tenant, {
      spec: {
        tenant,
        providers: [spec],
        program: { flows: [], scriptModule },
        programModules: [scriptModule],
        limits: DEFAULT_LIMITS,
      },
      modules: new Map([...modules, [scriptModule, wasm]]),
    });
    await sandbox.prepare(tenant);
    return answerOf(await sandbox.submit(tenant, job));
  } finally {
    await sandbox.stop();
    await rm(cacheDir, { recursive: true, force: true });
  }
};

function answerOf(result: JobResult): CallAnswer {
  switch (result.kind) {
    case 'problem':
    case 'output':
      return result;
    case 'events': {
      const events = result.events.map(({ json }) => json).join(',');
      const response = result.answer === undefined ? '' : `,"response":${JSON.stringify(result.answer)}`;
      return { kind: 'output', output: `{"events":[${events}]${response}}` };
    }
    default:
      throw new GtpackError('guest_output_invalid', `The cell answered with ${result.kind}.`);
  }
}

function providerOf(pack: Pack, name: string | undefined): PackProvider {
  const names = pack.providers.map(({ id }) => id).join(', ');
  const found = name === undefined ? pack.providers : pack.providers.filter(({ id }) => id === name);
  const [provider, ...others] = found;
  if (provider !== undefined && others.length === 0) return provider;
  throw new GtpackError(
    'pack_provider_unknown',
    name === undefined
      ? `The pack holds the providers ${names}; one has to be chosen.`
      : `The pack holds no provider ${name}.`,
    { file: pack.file, cure: `Choose one with --provider: ${names}.` },
  );
}

function jobOf(operation: string, input: string, provider: PackProvider): Job {
  const bounds = {
    maxBytes: DEFAULT_LIMITS.maxBodyBytes,
    maxDepth: DEFAULT_LIMITS.maxJsonDepth,
    maxElements: DEFAULT_LIMITS.maxJsonElements,
  };
  const parsed = parseBoundedJson(input, bounds, 'The input');
  if (operation === 'ingest')
    return { kind: 'ingest', provider: provider.id, request: requestOf(fieldsOf(parsed)) };
  if (operation === 'tick') return { kind: 'tick', provider: provider.id, tick: tickOf(fieldsOf(parsed)) };
  const known = provider.operations.map(({ name }) => name);
  if (!known.includes(operation)) {
    const exported = provider.exports.filter(
      (name): name is PluginExport => name === 'ingest' || name === 'tick',
    );
    throw new GtpackError(
      'operation_unknown',
      `The provider ${provider.id} has no operation ${JSON.stringify(operation)}.`,
      {
        cure: `Known: ${[...exported, ...known].join(', ')}.`,
      },
    );
  }
  return { kind: 'invoke', provider: provider.id, operation, input };
}

type Fields = Readonly<Record<string, Json>>;

function fieldsOf(input: Json): Fields {
  if (typeof input === 'object' && input !== null && !Array.isArray(input)) return input as Fields;
  throw new GtpackError(
    'json_invalid',
    'The input has to be a JSON object with the fields of the request or the tick.',
  );
}

function requestOf(fields: Fields): IngestRequest {
  const { body = '' } = fields;
  return {
    handler: textOr(fields.handler, null),
    eventType: textOr(fields.event_type, 'call.test'),
    method: textOr(fields.method, 'POST'),
    path: textOr(fields.path, '/'),
    query: textsOf(fields.query),
    headers: { 'content-type': 'application/json', ...textsOf(fields.headers) },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    bodyEncoding: fields.body_encoding === 'base64' ? 'base64' : 'utf8',
    receivedAt: numberOr(fields.received_at, Date.now()),
  };
}

function tickOf(fields: Fields): Tick {
  const scheduledAt = numberOr(fields.scheduled_at, Date.now());
  return {
    id: 'tick-call',
    schedule: textOr(fields.schedule, 'flow:call/0'),
    name: textOr(fields.name, 'call'),
    scheduledAt,
    firedAt: numberOr(fields.fired_at, scheduledAt),
    lastRun: typeof fields.last_run === 'number' ? fields.last_run : null,
    missed: numberOr(fields.missed, 0),
  };
}

function textOr<T extends string | null>(value: Json | undefined, otherwise: T): string | T {
  return typeof value === 'string' ? value : otherwise;
}

function numberOr(value: Json | undefined, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise;
}

function textsOf(value: Json | undefined): Record<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {};
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, text]) =>
      typeof text === 'string' ? [[name.toLowerCase(), text]] : [],
    ),
  );
}
