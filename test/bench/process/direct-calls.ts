import { instantiateSync } from '@assemblyscript/loader';
import { isWaitingImport } from '../../../host/contract.ts';
import { eventIds, type NormalizeContext } from '../../../host/event/normalize.ts';
import type { Grants } from '../../../host/grant/grants.ts';
import { DEFAULT_LIMITS } from '../../../host/limits.ts';
import { AssemblyScriptPlugin } from '../../../host/sandbox/assemblyscript-plugin.ts';
import { PLUGIN_BINDING } from '../../../host/sandbox/component-binding.ts';
import { ComponentPlugin } from '../../../host/sandbox/component-plugin.ts';
import {
  ingestContext,
  readOutcome,
  requestText,
  tickContext,
  tickText,
} from '../../../host/sandbox/ingest.ts';
import type { GuestReply, PluginInstance } from '../../../host/sandbox/plugin.ts';
import { answerCalls } from '../child.ts';
import { type GuestJob, guestJob, webhookRequest } from '../guest-jobs.ts';
import { orderBody } from '../payload.ts';
import { grantsOf, openProvider } from '../provider.ts';

export interface DirectSetup {
  readonly pack: string;
  readonly cacheDir: string;
  readonly call: DirectCall;
  /** What `ingest-normalized` asks. Default: `ingest`. */
  readonly job?: GuestJob;
  /** As a bundle writes them. */
  readonly grants?: unknown;
}

/**
 * `echo`, `ingest`: the guest alone, the text in and the text out. `ingest-normalized`: with all that a cell does around
 * it, the request made to text and the outcome bounded, parsed and made to an event. `ingest-loader`: the guest alone,
 * through AssemblyScript's own loader.
 */
export type DirectCall = 'echo' | 'ingest' | 'ingest-normalized' | 'ingest-loader';

/** About as often as the host does it for texts of this length. */
const CALLS_A_COLLECTION = 64;

/** A promise comes of a guest that is linked with a function that waits. */
let once: (() => void | Promise<void>) | undefined;

/** Calls of the same guest in this one thread. */
const handlers = {
  async start(setup: DirectSetup): Promise<void> {
    once =
      setup.call === 'ingest-loader'
        ? await throughLoader(setup.pack, setup.cacheDir)
        : await throughHost(setup, setup.call);
    await once();
  },

  /** @returns microseconds a call */
  async measure(seconds: number): Promise<number> {
    if (once === undefined) throw new Error('not started');
    const startedAt = performance.now();
    const end = startedAt + seconds * 1000;
    let calls = 0;
    let now = startedAt;
    while (now < end) {
      // Asking for the time costs a good part of the cheapest call.
      for (let i = 0; i < 16; i += 1) {
        const done = once();
        if (done !== undefined) await done;
      }
      calls += 16;
      now = performance.now();
    }
    return ((now - startedAt) * 1000) / calls;
  },
};

async function throughHost(
  { pack, cacheDir, grants, job = 'ingest' }: DirectSetup,
  call: Exclude<DirectCall, 'ingest-loader'>,
): Promise<() => void | Promise<void>> {
  const instance = await instantiate(pack, cacheDir, grantsOf(grants));
  switch (call) {
    case 'echo': {
      const input = orderBody();
      return () => {
        const reply = settled(instance.call('invoke', input, 'echo'));
        if (reply.kind !== 'ok' || reply.json.length !== input.length) throw new Error('not an echo');
      };
    }
    case 'ingest': {
      const text = requestText(webhookRequest());
      return () => {
        if (settled(instance.call('ingest', text)).kind !== 'ok') throw new Error('refused');
      };
    }
    case 'ingest-normalized':
      return normalized(instance, job);
    default:
      return call satisfies never;
  }
}

/** Events of a request or of a tick, as the cell makes them. */
function normalized(instance: PluginInstance, name: GuestJob): () => void | Promise<void> {
  const ids = eventIds();
  const job = guestJob(name, 'bench');
  const read = (reply: GuestReply, context: NormalizeContext): void => {
    if (reply.kind !== 'ok') throw new Error('refused');
    readOutcome(reply.json, context, DEFAULT_LIMITS);
  };
  return () => {
    if (job.kind !== 'ingest' && job.kind !== 'tick') throw new Error(`${name} makes no events`);
    const [reply, context] =
      job.kind === 'ingest'
        ? [instance.call('ingest', requestText(job.request)), ingestContext('bench', job.request, ids)]
        : [instance.call('tick', tickText(job.tick)), tickContext('bench', job.tick, ids)];
    return reply instanceof Promise ? reply.then((given) => read(given, context)) : read(reply, context);
  };
}

/** A guest that waits for nothing answers at once. */
function settled(reply: ReturnType<PluginInstance['call']>): GuestReply {
  if (reply instanceof Promise) throw new Error('the guest waits');
  return reply;
}

async function instantiate(pack: string, cacheDir: string, grants: Grants): Promise<PluginInstance> {
  const { spec, modules } = await openProvider(pack, cacheDir, grants);
  const compiled = (digest: string): WebAssembly.Module =>
    new WebAssembly.Module(modules.get(digest) as Uint8Array<ArrayBuffer>);
  const { plugin } = spec;
  const module =
    plugin.kind === 'assemblyscript'
      ? new AssemblyScriptPlugin(compiled(plugin.module))
      : await ComponentPlugin.load(
          plugin.glue,
          new Map(Object.entries(plugin.modules).map(([name, digest]) => [name, compiled(digest)])),
          PLUGIN_BINDING,
        );
  return module.instantiate({
    config: () => '{}',
    log: () => undefined,
    waiting: spec.imports.filter(isWaitingImport),
    ask: () => Promise.reject(new Error('Nothing may be asked for here.')),
    refuse: () => Promise.reject(new Error('Nothing may be refused here.')),
  });
}

async function throughLoader(pack: string, cacheDir: string): Promise<() => void> {
  const { provider } = await openProvider(pack, cacheDir);
  const { exports } = instantiateSync<{ ingest(text: number): number }>(
    provider.wasm as Uint8Array<ArrayBuffer>,
    {
      'gtpack:plugin/config@0.1.0': { get: (): number => exports.__newString('{}') },
      'gtpack:plugin/log@0.1.0': { write: (): void => undefined },
    },
  );
  const text = requestText(webhookRequest());
  let calls = 0;
  return () => {
    // Providers are built with the runtime that collects only when it is told to.
    calls += 1;
    if (calls % CALLS_A_COLLECTION === 0) exports.__collect();
    const pointer = exports.__pin(exports.__newString(text));
    if (!exports.__getString(exports.ingest(pointer)).startsWith('{"ok":')) throw new Error('refused');
    exports.__unpin(pointer);
  };
}

export type DirectCallsProcess = typeof handlers;

answerCalls(handlers, () => undefined);
