import type { GtpackError, Problem } from '../errors.ts';
import type { TenantId } from '../event/names.ts';
import type { CellHostProcess } from './cell-host-process.ts';
import type { CellSpec, JobResult } from './protocol.ts';

/** A tenant's code: what its cell is opened with, and the bytes of the modules that the spec names. */
export interface TenantCode {
  readonly spec: CellSpec;
  readonly modules: ReadonlyMap<string, Uint8Array>;
}

export interface PendingJob {
  readonly resolve: (result: JobResult) => void;
  readonly reject: (error: GtpackError) => void;
}

/** A cell as the main process sees it. */
export interface LiveCell {
  readonly id: number;
  readonly tenant: Tenant;
  readonly host: CellHostProcess;
  readonly jobs: Map<number, PendingJob>;
  readonly gone: AbortController;
  readonly opened: {
    readonly promise: Promise<readonly Problem[]>;
    readonly resolve: (problems: readonly Problem[]) => void;
    readonly reject: (error: GtpackError) => void;
  };
}

/** A tenant without a live cell costs no thread. */
export interface Tenant {
  readonly id: TenantId;
  readonly code: TenantCode;
  cell: LiveCell | undefined;
}
