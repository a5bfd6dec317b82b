/** Every bound of the host, with its default. Bundles may narrow or widen them per tenant and pack. */
export interface Limits {
  readonly maxArchiveBytes: number;
  readonly maxEntryBytes: number;
  readonly maxEntries: number;
  /** Uncompressed over compressed size, of any entry. */
  readonly maxCompressionRatio: number;
  readonly maxManifestBytes: number;
  /** Of one HTTP request. */
  readonly maxBodyBytes: number;
  /** Of one event as JSON text. */
  readonly maxEventBytes: number;
  readonly maxJsonDepth: number;
  /** Objects, arrays and scalars of one JSON text, counted together. */
  readonly maxJsonElements: number;
  /** Event drafts that one guest call may return. */
  readonly maxDraftsPerCall: number;
  /** Written into the module's memory section before it is compiled. */
  readonly maxGuestMemoryBytes: number;
  readonly maxTenantMemoryBytes: number;
  /** One uninterrupted stretch of guest code. */
  readonly cpuSliceMs: number;
  /** Wall clock of a call that reaches no effect. */
  readonly callWallMs: number;
  /** Wall clock of a call that waits on effects. */
  readonly effectCallWallMs: number;
  readonly maxEffectsPerRun: number;
  /** Calls of one tenant that wait for its cell or run there, and requests under way. */
  readonly maxQueuedCalls: number;
  /** Events of one tenant between delivery and settlement; never more than calls may wait. */
  readonly maxInFlight: number;
  /** What a tenant's requests, flows and guests may put onto the bus, with bursts of one second's worth. */
  readonly maxEventsPerSecond: number;
  /** Events of one tenant on the bus that are not settled; past it its requests are refused. */
  readonly maxBacklog: number;
  /** Runs of one tenant that are parked; past it runs wait with their events, which stay in the backlog. */
  readonly maxParkedRuns: number;
  readonly maxFlowSteps: number;
  readonly maxLogLineBytes: number;
  readonly maxLogLinesPerCall: number;
  readonly transpileWallMs: number;
  readonly transpileMemoryBytes: number;
  /** Of one core module, by both of V8's compilers, before it reaches a cell host. */
  readonly compileWallMs: number;
  readonly compileMemoryBytes: number;
  readonly maxLiveCells: number;
  readonly maxCellsPerHost: number;
  /** WebAssembly memories of all cells in one cell host; a process fails at about 16,000. */
  readonly maxMemoriesPerHost: number;
  /** Cells that a provider or flow may cost within `quarantineWindowMs` before it is quarantined. */
  readonly quarantineStrikes: number;
  readonly quarantineWindowMs: number;
  /** The first time; doubled each time after. */
  readonly quarantineMs: number;
  readonly maxQuarantineMs: number;
}

const MiB = 1024 * 1024;

export const DEFAULT_LIMITS: Limits = Object.freeze({
  maxArchiveBytes: 64 * MiB,
  maxEntryBytes: 16 * MiB,
  maxEntries: 4096,
  maxCompressionRatio: 100,
  maxManifestBytes: MiB,
  maxBodyBytes: MiB,
  maxEventBytes: 256 * 1024,
  maxJsonDepth: 64,
  maxJsonElements: 100_000,
  maxDraftsPerCall: 1000,
  maxGuestMemoryBytes: 64 * MiB,
  maxTenantMemoryBytes: 256 * MiB,
  cpuSliceMs: 250,
  callWallMs: 5000,
  effectCallWallMs: 30_000,
  maxEffectsPerRun: 64,
  maxQueuedCalls: 1000,
  maxInFlight: 256,
  maxEventsPerSecond: 10_000,
  maxBacklog: 100_000,
  maxParkedRuns: 10_000,
  maxFlowSteps: 1000,
  maxLogLineBytes: 8192,
  maxLogLinesPerCall: 100,
  transpileWallMs: 60_000,
  transpileMemoryBytes: 1024 * MiB,
  compileWallMs: 60_000,
  compileMemoryBytes: 512 * MiB,
  maxLiveCells: 200,
  maxCellsPerHost: 32,
  maxMemoriesPerHost: 12_000,
  quarantineStrikes: 3,
  quarantineWindowMs: 60_000,
  quarantineMs: 60_000,
  maxQuarantineMs: 3_600_000,
});
