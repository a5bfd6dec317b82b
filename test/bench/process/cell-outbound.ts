import { readFile, writeFile } from 'node:fs/promises';
import { Broker } from '../../../host/capability/broker.ts';
import { HttpCapability } from '../../../host/capability/http.ts';
import { ALONE } from '../../../host/deploy/check.ts';
import { grantsShape, parseGrants } from '../../../host/grant/grants.ts';
import type { Job } from '../../../host/sandbox/protocol.ts';
import { Sandbox } from '../../../host/sandbox/sandbox.ts';
import { answerCalls } from '../child.ts';
import { benchCell, openProvider, tenant } from '../provider.ts';

export interface OutboundSetup {
  /** Path of a pack with one provider, whose operation `send` sends its input. */
  readonly pack: string;
  readonly cacheDir: string;
  /** On loopback. */
  readonly port: number;
}

export interface Burst {
  readonly ms: number;
  /** Resident memory of the cell host; undefined where the system does not tell. */
  readonly memory: { readonly before: number; readonly peak: number; readonly after: number } | undefined;
}

let grants = parseGrants(undefined);
let job: Job | undefined;

const broker = new Broker({
  capabilities: [new HttpCapability()],
  grantsOf: () => grants,
  onDenied: (_tenant, _source, message) => process.stderr.write(`denied: ${message}\n`),
  onPerformed: () => undefined,
  monotonicMs: () => performance.now(),
});
const sandbox = new Sandbox({
  ...ALONE,
  onEffect: (id, effect, signal) => broker.perform(id, effect, signal),
});

/** Outbound calls of a guest in its cell, through the broker and out of this process. */
const handlers = {
  async start({ pack, cacheDir, port }: OutboundSetup): Promise<void> {
    const origin = `http://127.0.0.1:${port}`;
    grants = parseGrants(grantsShape.parse({ http: { hosts: [origin], networks: ['127.0.0.0/8'] } }));
    const code = await openProvider(pack, cacheDir, grants);
    sandbox.register(tenant, await benchCell(code));
    await sandbox.prepare(tenant);
    const input = JSON.stringify({ method: 'GET', url: `${origin}/` });
    job = { kind: 'invoke', provider: code.spec.id, operation: 'send', input };
  },

  async burst(calls: number): Promise<Burst> {
    const [pid] = sandbox.hostPids();
    const before = await residentBytes(pid, 'VmRSS');
    await forgetPeak(pid);
    const startedAt = performance.now();
    await Promise.all(Array.from({ length: calls }, once));
    const ms = performance.now() - startedAt;
    const peak = await residentBytes(pid, 'VmHWM');
    const after = await residentBytes(pid, 'VmRSS');
    const known = before !== undefined && peak !== undefined && after !== undefined;
    return { ms, memory: known ? { before, peak, after } : undefined };
  },
};

async function once(): Promise<void> {
  if (job === undefined) throw new Error('not started');
  const result = await sandbox.submit(tenant, job);
  if (result.kind !== 'output' || !result.output.startsWith('{"status":200'))
    throw new Error(JSON.stringify(result));
}

/** Bytes, as Linux tells them. */
async function residentBytes(pid: number | undefined, name: 'VmRSS' | 'VmHWM'): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kib = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024;
}

/** From here on the peak is that of what follows; see proc(5). */
async function forgetPeak(pid: number | undefined): Promise<void> {
  await writeFile(`/proc/${pid}/clear_refs`, '5').catch(() => undefined);
}

export type CellOutboundProcess = typeof handlers;

answerCalls(handlers, async () => {
  await sandbox.stop();
  await broker.close();
});
