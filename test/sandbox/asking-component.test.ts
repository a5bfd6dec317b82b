import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { codeOf } from '../../host/deploy/provider-code.ts';
import { NO_GRANTS } from '../../host/grant/grants.ts';
import { DEFAULT_LIMITS } from '../../host/limits.ts';
import { buildPack } from '../../host/pack/build.ts';
import { readPack } from '../../host/pack/read-pack.ts';
import { jcoVersion } from '../../host/sandbox/jco-version.ts';
import type { EffectAnswer, Job } from '../../host/sandbox/protocol.ts';
import type { TenantCode } from '../../host/sandbox/sandbox.ts';
import { Transpiler } from '../../host/sandbox/transpiler.ts';
import { alpha, assemblyScriptTenant, openSandbox } from './cell.ts';

let folder: string;
let file: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gtpack-asking-'));
  file = join(folder, 'asking-ts.gtpack');
  await buildPack(fileURLToPath(new URL('../guests/asking-ts', import.meta.url)), { outFile: file });
});
afterAll(() => rm(folder, { recursive: true }));

const granted = { ...NO_GRANTS, bus: { publish: ['asked.>'] } };

async function link(grants: typeof NO_GRANTS): Promise<TenantCode> {
  const pack = await readPack(file);
  const [provider] = pack.providers;
  if (provider === undefined) throw new Error('A provider was expected.');
  const binding = {
    id: 'guest',
    pack: file,
    line: 7,
    enabled: true,
    allowUnsigned: false,
    signatures: [],
    config: null,
    grants,
  };
  const transpiler = new Transpiler({
    cacheDir: join(folder, 'components'),
    version: jcoVersion,
    wallMs: DEFAULT_LIMITS.transpileWallMs,
    memoryBytes: DEFAULT_LIMITS.transpileMemoryBytes,
  });
  const { spec, modules } = await codeOf(binding, pack, provider, {
    transpiler,
    bundleFile: 'bundle.yaml',
    env: 'test',
    tenant: 'demo',
  });
  const code = assemblyScriptTenant(alpha, new Uint8Array());
  return {
    spec: { ...code.spec, providers: [spec] },
    modules: new Map([...code.modules, ...modules]),
  };
}

function invoke(operation: string, input: unknown): Job {
  return { kind: 'invoke', provider: 'guest', operation, input: JSON.stringify(input) };
}

test('a component that was not granted what it imports is refused, with the grant that would allow it', async () => {
  await expect(link(NO_GRANTS)).rejects.toMatchObject({
    code: 'guest_import_refused',
    message:
      'bundle.yaml:7: The provider guest needs the capability "bus" ("It is there to publish."), which the bundle does not grant. To grant it, add to the provider: grants: { bus: { publish: ["order.created"] } }',
  });
});

test('twenty calls of a component wait together and go on, each with its own answer or problem', async () => {
  const held: ((answer: EffectAnswer) => void)[] = [];
  const { sandbox } = openSandbox({ onEffect: () => new Promise((resolve) => held.push(resolve)) });
  try {
    sandbox.register(alpha, await link(granted));
    const calls = Array.from({ length: 20 }, (_, n) =>
      sandbox.submit(alpha, invoke('publish', [{ event_type: 'asked.once', payload: n }])),
    );
    await expect.poll(() => held.length, { timeout: 20_000 }).toBe(20);
    // A call that asks for nothing is served meanwhile.
    expect(await sandbox.submit(alpha, invoke('echo', 1))).toEqual({ kind: 'output', output: '1' });
    for (const [n, answer] of held.entries()) {
      if (n % 2 === 0) answer({ kind: 'ok', output: `{"n":${n}}` });
      else answer({ kind: 'problem', problem: { code: 'not_now', message: `No ${n}.`, retryable: true } });
    }
    expect(await Promise.all(calls)).toEqual(
      calls.map((_, n) =>
        n % 2 === 0
          ? { kind: 'output', output: `{"n":${n}}` }
          : { kind: 'problem', problem: { code: 'not_now', message: `No ${n}.`, retryable: true } },
      ),
    );
  } finally {
    await sandbox.stop();
  }
});
