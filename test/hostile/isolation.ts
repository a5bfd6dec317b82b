import { describe, inject, test } from 'vitest';
import type { Isolation } from '../../host/sandbox/sandbox.ts';

declare module 'vitest' {
  interface ProvidedContext {
    isolation: Isolation;
  }
}

/** How the tenants of this run stand: vitest.config.ts runs every attack on each. */
export const isolation: Isolation = inject('isolation');

const isFirst = isolation === 'shared';

/** For attacks that no cell ever sees, since they are refused before. */
export const describeOnce = describe.runIf(isFirst);
export const testOnce = test.runIf(isFirst);
