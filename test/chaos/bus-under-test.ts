import type { HostProcess } from '../system/host-process.ts';
import type { EffectName } from './vendor.ts';

/** What the rounds need to know of a bus. */
export interface BusUnderTest {
  /** `bus` of the bundle; undefined for the one that a bundle has by itself. */
  readonly section: object | undefined;
  /** Flags of Node for the host. */
  readonly nodeOptions: readonly string[];
  /** Called a moment before a round that ends the bus, so that the end itself takes no time. */
  prepareEnd(host: HostProcess): Promise<BusEnd>;
  /** Effects that a dead host has recorded in the journals of runs. @param folder of the bundle */
  recorded(folder: string): Promise<readonly EffectName[]>;
  close(): Promise<void>;
}

export interface BusEnd {
  /** Ends what the bus runs in. */
  now(): Promise<void>;
  /** Brings it back; undefined where only another host can. */
  readonly restore: (() => Promise<void>) | undefined;
}
