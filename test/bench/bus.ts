import type { Workspace } from './workspace.ts';

/** What a bundle says of its bus, and what has to run for it. */
export interface BenchBus extends AsyncDisposable {
  /** Keys of the bundle. */
  readonly keys: Readonly<Record<string, unknown>>;
}

export interface BusKind {
  readonly name: 'embedded';
  /** One that nobody else uses. */
  open(workspace: Workspace): Promise<BenchBus>;
}

export const EMBEDDED: BusKind = {
  name: 'embedded',
  open: async () => ({ keys: {}, [Symbol.asyncDispose]: async () => undefined }),
};

export const BUS_KINDS: readonly BusKind[] = [EMBEDDED];
