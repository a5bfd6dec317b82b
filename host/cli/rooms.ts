import type { Bundle } from '../bundle/bundle.ts';
import type { Environment } from '../bundle/read-secrets.ts';
import type { OperatorTimers } from '../control/control.ts';
import type { DoctorReport } from '../deploy/doctor/finding.ts';
import type { InstallDecision, InstalledProvider } from '../deploy/install/install.ts';
import type { InstallPlan, InstallRequest } from '../deploy/install/plan.ts';
import type { PackReport } from '../interop/pack-report.ts';
import type { BuildOptions, BuiltPack, Signing } from '../pack/build.ts';
import type { WrittenKeyPair } from '../pack/key-file.ts';
import type { Language, NewPack } from '../pack/new-pack.ts';
import type { SignedPack, VerifiedPack } from '../pack/sign-pack.ts';
import type { PublisherKey, SigningKey } from '../pack/signing-key.ts';
import type { CallPlugin, CheckBundle, StartHost } from '../running-host.ts';

/** The host's rooms, as far as commands use them. */
export interface Rooms {
  /** @param environment of this process, for the bundle's secrets */
  loadBundle(path: string, environment: Environment): Promise<Bundle>;
  readonly startHost: StartHost;
  readonly checkBundle: CheckBundle;
  /** The schedules of a bundle that no host runs. */
  bundleTimers(bundle: Bundle, now: () => number): Promise<OperatorTimers>;
  readonly callPlugin: CallPlugin;
  /** @param environment of this process, for a bundle's secrets */
  examine(path: string, environment: Environment): Promise<DoctorReport>;
  newPack(dir: string, language: Language): Promise<NewPack>;
  buildPack(dir: string, options: BuildOptions): Promise<BuiltPack>;
  inspectPack(file: string): Promise<PackReport>;
  signPack(file: string, outFile: string, signing: Signing): Promise<SignedPack>;
  verifyPack(file: string, trusted: ReadonlySet<string>): Promise<VerifiedPack>;
  writeKeyPair(file: string): Promise<WrittenKeyPair>;
  readSigningKey(file: string): Promise<SigningKey>;
  readPublicKey(file: string): Promise<PublisherKey>;
  planInstall(request: InstallRequest): Promise<InstallPlan>;
  install(plan: InstallPlan, decision: InstallDecision): Promise<InstalledProvider[]>;
}

/** Each loaded when it is used: `tail` needs no compiler, and `pack build` no HTTP server. */
export const hostRooms: Rooms = {
  loadBundle: async (...given) => (await import('../bundle/load.ts')).loadBundle(...given),
  startHost: async (...given) => (await import('../host.ts')).startHost(...given),
  checkBundle: async (...given) => (await import('../deploy/check.ts')).checkBundle(...given),
  bundleTimers: async (...given) => (await import('../deploy/bundle-timers.ts')).bundleTimers(...given),
  examine: async (...given) => (await import('../deploy/doctor/doctor.ts')).examine(...given),
  callPlugin: async (...given) => (await import('../deploy/call/call.ts')).callPlugin(...given),
  newPack: async (...given) => (await import('../pack/new-pack.ts')).newPack(...given),
  buildPack: async (...given) => (await import('../pack/build.ts')).buildPack(...given),
  inspectPack: async (file) => (await import('../interop/inspect.ts')).inspectPack(file),
  signPack: async (...given) => (await import('../pack/sign-pack.ts')).signPack(...given),
  verifyPack: async (...given) => (await import('../pack/sign-pack.ts')).verifyPack(...given),
  writeKeyPair: async (file) => (await import('../pack/key-file.ts')).writeKeyPair(file),
  readSigningKey: async (file) => (await import('../pack/key-file.ts')).readSigningKey(file),
  readPublicKey: async (file) => (await import('../pack/key-file.ts')).readPublicKey(file),
  planInstall: async (request) => (await import('../deploy/install/plan.ts')).planInstall(request),
  install: async (...given) => (await import('../deploy/install/install.ts')).install(...given),
};
