import type { Bundle } from '../bundle/bundle.ts';
import type { BuildOptions, BuiltPack } from '../pack/build.ts';
import type { PackReport } from '../pack/inspect.ts';
import type { CallPlugin, CheckBundle, StartHost } from '../running-host.ts';

/** The host's rooms, as far as commands use them. */
export interface Rooms {
  loadBundle(path: string): Promise<Bundle>;
  readonly startHost: StartHost;
  readonly checkBundle: CheckBundle;
  readonly callPlugin: CallPlugin;
  buildPack(dir: string, options: BuildOptions): Promise<BuiltPack>;
  inspectPack(file: string): Promise<PackReport>;
}

/** Each loaded when it is used: `tail` needs no compiler, and `pack build` no HTTP server. */
export const hostRooms: Rooms = {
  loadBundle: async (path) => (await import('../bundle/load.ts')).loadBundle(path),
  startHost: async (...given) => (await import('../host.ts')).startHost(...given),
  checkBundle: async (...given) => (await import('../deploy/check.ts')).checkBundle(...given),
  callPlugin: async (...given) => (await import('../deploy/call.ts')).callPlugin(...given),
  buildPack: async (...given) => (await import('../pack/build.ts')).buildPack(...given),
  inspectPack: async (file) => (await import('../pack/inspect.ts')).inspectPack(file),
};
