import type { CapabilityRequest } from '../pack/pack.ts';
import type { WasmKind } from '../pack/wasm-interface.ts';

/** What `gtpack pack inspect FILE --json` prints. */
export interface PackReport {
  /** Whether the pack can be read and holds what it says; the signature stands for itself. */
  readonly ok: boolean;
  readonly model: 'pack-v1' | 'meta' | 'unknown';
  readonly pack_id: string | null;
  readonly version: string | null;
  readonly kind: string | null;
  readonly publisher: string | null;
  readonly components: readonly ComponentReport[];
  readonly flows: readonly FlowReport[];
  readonly requests: readonly RequestReport[];
  readonly schemas: readonly SchemaReport[];
  /** What of a pack of another host's is left out or changed here, one sentence each; it may be sound all the same. */
  readonly remarks: readonly string[];
  readonly sbom: {
    readonly present: boolean;
    readonly ok: boolean;
    readonly problems: readonly ReportProblem[];
  };
  readonly signature: {
    readonly present: boolean;
    readonly ok: boolean;
    readonly fingerprint: string | null;
    readonly problems: readonly ReportProblem[];
  };
  readonly problems: readonly ReportProblem[];
}

export interface ComponentReport {
  readonly id: string;
  /** By its bytes; null where they are missing or not read. */
  readonly kind: WasmKind | null;
  readonly imports: readonly string[];
  readonly exports: readonly string[];
  /** In bytes; null where the archive does not hold it. */
  readonly size: number | null;
}

export interface FlowReport {
  readonly id: string;
  /** How many; null where the file is not read as a flow. */
  readonly nodes: number | null;
}

export interface RequestReport extends CapabilityRequest {
  readonly provider: string;
}

/** A JSON Schema that a provider names. */
export interface SchemaReport {
  readonly provider: string;
  /** `config`, or `NAME input` and `NAME output` of an operation. */
  readonly of: string;
  readonly path: string;
}

export interface ReportProblem {
  readonly code: string;
  readonly message: string;
}
