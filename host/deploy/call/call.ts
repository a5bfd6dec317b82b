import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Broker } from '../../capability/broker.ts';
import type { HttpResponse } from '../../capability/http/response.ts';
import type { Scope } from '../../capability/http/scope.ts';
import { HttpCapability } from '../../capability/http.ts';
import { PublishCapability } from '../../capability/publish.ts';
import { SecretsCapability } from '../../capability/secrets.ts';
import { SendgridCapability } from '../../capability/sendgrid.ts';
import { StateCapability } from '../../capability/state.ts';
import { TimersCapability } from '../../capability/timers.ts';
import { TwilioCapability } from '../../capability/twilio.ts';
import { GtpackError } from '../../errors.ts';
import { parseTenantId } from '../../event/names.ts';
import { Secret } from '../../grant/secret.ts';
import { DEFAULT_LIMITS } from '../../limits.ts';
import type { CallAnswer, CalledEffect, CallOptions, CallPlugin } from '../../running-host.ts';
import { jcoVersion } from '../../sandbox/jco-version.ts';
import type { JobResult } from '../../sandbox/protocol.ts';
import { Sandbox, type TenantCode } from '../../sandbox/sandbox.ts';
import { Transpiler } from '../../sandbox/transpiler.ts';
import { ALONE } from '../check.ts';
import { loneProviderCode } from '../lone-provider.ts';
import { callJob } from './call-job.ts';
import { type CalledPack, readCalled } from './called-pack.ts';
import { MemoryState, MemoryTimers, NO_BUS } from './memory-stores.ts';

const TENANT = parseTenantId('call');

/** What a stub answers, as the vendor of a capability would. */
const STUB_ANSWERS: Readonly<
  Record<Scope['capability'], Omit<HttpResponse, 'body'> & { readonly body: string }>
> = {
  http: { status: 200, headers: [['content-type', 'application/json']], body: '{"ok":true}' },
  sendgrid: { status: 202, headers: [['x-message-id', 'stub']], body: '' },
  twilio: {
    status: 201,
    headers: [['content-type', 'application/json']],
    body: `{"sid":"SM${'0'.repeat(32)}","status":"queued","num_segments":"1","num_media":"0"}`,
  },
};

/**
 * Calls a provider of a pack, or a bare WebAssembly, once: in a real cell with the real limits, through the real broker.
 * What is not granted is linked and denied when it is asked for, so that a call shows what it would need.
 */
export const callPlugin: CallPlugin = async (file, operation, input, options) => {
  const called = await readCalled(file, options.provider);
  const { provider, isListed } = called;
  const job = callJob(operation, input, provider, { isListed, now: Date.now() });
  const effects: CalledEffect[] = [];
  const state = new MemoryState(options.state);
  await using opened = new AsyncDisposableStack();
  const broker = brokerOf(options, state, (effect) => effects.push(effect));
  opened.defer(() => broker.close());
  const sandbox = new Sandbox({
    ...ALONE,
    onEffect: (tenant, effect, signal) => broker.perform(tenant, effect, signal),
    onLog: (_, { source, level, message }) => options.log({ level, message, provider: source }),
  });
  opened.defer(() => sandbox.stop());
  sandbox.register(TENANT, await tenantCode(called, options));
  await sandbox.prepare(TENANT);
  const startedAt = performance.now();
  const answer = answerOf(await sandbox.submit(TENANT, job));
  const durationMs = performance.now() - startedAt;
  const memory = await sandbox.submit(TENANT, {
    kind: 'measure',
    provider: provider.id,
  });
  return {
    answer,
    effects,
    durationMs,
    memoryBytes: memory.kind === 'memory' ? memory.bytes : 0,
    state: state.values,
  };
};

function brokerOf(
  { grants, secrets, stubHttp, log }: CallOptions,
  state: MemoryState,
  onEffect: (effect: CalledEffect) => void,
): Broker {
  const secretOf = (_tenant: string, name: string): Secret => {
    const value = secrets.get(name);
    if (value !== undefined) return new Secret(name, value);
    throw new GtpackError('secret_undeclared', `There is no secret ${name}.`, {
      cure: `Give it: --secret ${name}=VALUE`,
    });
  };
  const stub = ({ capability }: Scope): HttpResponse => {
    const { body, ...head } = STUB_ANSWERS[capability];
    return { ...head, body: Buffer.from(body) };
  };
  const http = new HttpCapability({ secretOf, ...(stubHttp ? { stub } : {}) });
  return new Broker({
    capabilities: [
      http,
      new SendgridCapability({ http, secretOf }),
      new TwilioCapability({ http, secretOf }),
      new PublishCapability(NO_BUS),
      new StateCapability(state),
      new TimersCapability(new MemoryTimers()),
      new SecretsCapability(secretOf),
    ],
    grantsOf: () => grants,
    onDenied: (_, source, message) => log({ level: 'warn', provider: source, message }),
    onPerformed: ({ capability, fn, target, decision, code, durationMs }) =>
      onEffect({ capability, fn, target, decision, code, durationMs }),
    monotonicMs: () => performance.now(),
  });
}

/** What is transpiled for one call is thrown away after it. */
async function tenantCode(
  { pack, provider }: CalledPack,
  { grants, config }: CallOptions,
): Promise<TenantCode> {
  const cacheDir = await mkdtemp(join(tmpdir(), 'gtpack-call-'));
  try {
    const transpiler = new Transpiler({
      cacheDir,
      version: jcoVersion,
      wallMs: DEFAULT_LIMITS.transpileWallMs,
      memoryBytes: DEFAULT_LIMITS.transpileMemoryBytes,
    });
    return await loneProviderCode(pack, provider, { tenant: TENANT, transpiler, grants, config });
  } finally {
    await rm(cacheDir, { recursive: true, force: true });
  }
}

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
