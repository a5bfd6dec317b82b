import { expect, test } from 'vitest';
import { loadBundle } from '../../host/bundle/load.ts';
import { deploy } from '../../host/deploy/deployment.ts';
import { scriptFlow, tenantsBundle, writeBundle } from '../system/bundle.ts';

test('however many tenants use a pack, its modules are held once', async () => {
  const flows = { one: scriptFlow('one', '1') };
  const folder = await writeBundle(tenantsBundle({ alpha: { flows }, beta: { flows }, gamma: { flows } }));
  const { tenants } = await deploy(await loadBundle(folder), 'pin');
  const buffers = tenants.map(({ code }) => [...code.modules]);
  expect(buffers).toHaveLength(3);
  for (const [index, [digest, bytes]] of (buffers[0] ?? []).entries()) {
    for (const other of buffers) {
      expect(other[index]?.[0]).toBe(digest);
      // The same buffer, not one of the same content.
      expect(other[index]?.[1] === bytes).toBe(true);
    }
  }
  expect(buffers[0]?.length).toBeGreaterThan(1);
  for (const { providers, code } of tenants) {
    for (const { modules } of providers) {
      for (const [digest, bytes] of modules) expect(code.modules.get(digest) === bytes).toBe(true);
    }
  }
});
