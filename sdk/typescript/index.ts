/// <reference path="./host.d.ts" />
/** All that a provider in TypeScript needs: `import { defineProvider } from 'gtpack/sdk'`. */
export { config } from './config.ts';
export { log } from './log.ts';
export { ProviderProblem } from './problem.ts';
export { defineProvider, type Provider, type ProviderDefinition } from './provider.ts';
export type {
  Event,
  EventDraft,
  HandleOutcome,
  IngestOutcome,
  IngestRequest,
  Json,
  JsonObject,
  Tick,
  TickOutcome,
} from './types.ts';
