import { expect, test } from 'vitest';
import { createLoad, DEFAULT_HTTP_LIMITS } from '../../../host/capability/http/load.ts';
import { parseTenantId, type TenantId } from '../../../host/event/names.ts';

const tenant = (nth: number): TenantId => parseTenantId(`t${nth}`);

/** As many as it gets, one at a time. */
function takeAll(add: (tenant: TenantId, amount: number) => void, of: TenantId, most: number): number {
  for (let taken = 0; taken < most; taken += 1) {
    try {
      add(of, 1);
    } catch (error) {
      expect(error).toMatchObject({ code: 'http_busy', retryable: true });
      return taken;
    }
  }
  return most;
}

test.each(['calls', 'connections'] as const)(
  'tenants that open as many %s as they may leave some for the next one, whatever they hold',
  (kind) => {
    const load = createLoad(DEFAULT_HTTP_LIMITS);
    const add = load[kind].add.bind(load[kind]);
    for (let nth = 0; nth < 20; nth += 1) takeAll(add, tenant(nth), 10_000);
    expect(load[kind].inAll).toBeLessThanOrEqual(8192);
    expect(takeAll(add, tenant(100), 8)).toBe(8);
  },
);
