import { expect, test } from 'vitest';
import { ModuleUses } from '../../host/sandbox/module-uses.ts';
import {
  alpha,
  assemblyScriptTenant,
  beta,
  compileGuest,
  ingestJob,
  openSandbox,
  payloadsOf,
} from './cell.ts';

test('a module is sent for the first cell that uses it, and forgotten with the last', () => {
  const uses = new ModuleUses();
  expect(uses.retain(['a', 'script'])).toEqual(['a', 'script']);
  expect(uses.retain(['b', 'script'])).toEqual(['b']);
  expect(uses.release(['a', 'script'])).toEqual(['a']);
  expect(uses.release(['b', 'script'])).toEqual(['b', 'script']);
  expect(uses.retain(['a', 'script'])).toEqual(['a', 'script']);
});

test('a tenant whose modules were forgotten has them again in its next cell', async () => {
  const { sandbox } = openSandbox({ maxLiveCells: 1 });
  const wasm = await compileGuest('misbehaving');
  for (const [tenant, digest] of [
    [alpha, 'one'],
    [beta, 'two'],
  ] as const) {
    const code = assemblyScriptTenant(tenant, wasm);
    const providers = code.spec.providers.map((provider) => ({
      ...provider,
      plugin: { kind: 'assemblyscript', module: digest } as const,
    }));
    const modules = new Map(
      [...code.modules].map(([name, bytes]) => [name === 'guest' ? digest : name, bytes]),
    );
    sandbox.register(tenant, { spec: { ...code.spec, providers }, modules });
  }
  for (const tenant of [alpha, beta, alpha, beta]) {
    expect(payloadsOf(await sandbox.submit(tenant, ingestJob('{}')))).toMatchObject([{ calls: 1 }]);
  }
  await sandbox.stop();
});
