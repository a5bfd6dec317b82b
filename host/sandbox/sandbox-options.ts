import type { Problem } from '../errors.ts';
import type { TenantId } from '../event/names.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import type { StartCellHost } from './cell-host-process.ts';
import type {
  CellLoss,
  CellReport,
  Effect,
  EffectAnswer,
  HttpAnswer,
  RunJournal,
  SourceUsage,
} from './protocol.ts';
import type { Quarantined, QuarantineOptions } from './quarantine.ts';
import type { LineBounds } from './waiting-line.ts';

export interface SandboxOptions {
  readonly maxLiveCells: number;
  readonly maxCellsPerHost: number;
  /** Calls of one tenant that may wait or run at a time. */
  readonly maxQueuedCalls: number;
  /** Performs an effect; resolves with a typed answer, never rejects. The signal aborts when the cell is gone. */
  readonly onEffect: (tenant: TenantId, effect: Effect, signal: AbortSignal) => Promise<EffectAnswer>;
  /** Stores what a run did before it goes on; resolves with a typed answer, never rejects. */
  readonly onRecord: (tenant: TenantId, journal: RunJournal) => Promise<EffectAnswer>;
  readonly onRespond: (tenant: TenantId, eventId: string, answer: HttpAnswer) => void;
  readonly onLog: (tenant: TenantId, log: Extract<CellReport, { kind: 'log' }>) => void;
  /** Flows of a cell that opened which cannot run. */
  readonly onFlowProblems: (tenant: TenantId, problems: readonly Problem[]) => void;
  readonly onCellOpened?: (tenant: TenantId) => void;
  readonly onCellLost: (tenant: TenantId, loss: CellLoss) => void;
  /** What the code of a cell says that it has used since the last time. */
  readonly onUsage?: (tenant: TenantId, usage: readonly SourceUsage[]) => void;
  /** A provider or flow is held back from now on. */
  readonly onQuarantined?: (held: Quarantined) => void;
  /** Default: this host's own, locked down. */
  readonly startCellHost?: StartCellHost;
  /** Default: as host/limits.ts says. */
  readonly quarantine?: QuarantineOptions;
  /** How those wait that find all cells at work. Default: as waiting-line.ts says. */
  readonly line?: LineBounds;
  /** Milliseconds of a clock that only goes forward. Default `performance.now`. */
  readonly monotonicMs?: () => number;
}

export const DEFAULT_QUARANTINE: QuarantineOptions = {
  strikes: DEFAULT_LIMITS.quarantineStrikes,
  windowMs: DEFAULT_LIMITS.quarantineWindowMs,
  cooldownMs: DEFAULT_LIMITS.quarantineMs,
  maxCooldownMs: DEFAULT_LIMITS.maxQuarantineMs,
};
