import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Bundle, NatsOptions } from '../bundle/bundle.ts';
import type { KeptBus } from '../bundle/bus-file.ts';
import type { DurableBus } from '../bus/bus.ts';
import { openEmbeddedBus } from '../bus/embedded/embedded.ts';
import { credentialsOf } from '../bus/nats/credentials.ts';
import { openNatsBus } from '../bus/nats/open.ts';

/** Nothing is forgotten while a command looks. */
const NEVER_MS = Number.MAX_SAFE_INTEGER;

/**
 * Opens the bus that a bundle names.
 * @param instance tells this host from others of its env; default: the machine's name and something random
 * @throws GtpackError as that bus does
 */
export function openBus(
  bundle: Pick<Bundle, 'env' | 'bus' | 'dedupeWindowMs'>,
  instance = `${hostname()}-${randomBytes(4).toString('hex')}`,
): Promise<DurableBus> {
  const { bus, dedupeWindowMs } = bundle;
  if (bus.kind === 'nats') return openNats(bundle, bus, instance);
  const { file, retentionMs, maxBytes: maxFileBytes } = bus;
  return openEmbeddedBus({ file, dedupeWindowMs, retentionMs, maxFileBytes });
}

/** Opens the bus of a bundle that no host runs here, for whoever looks into it. @throws GtpackError as that bus does */
export function openKeptBus(kept: KeptBus): Promise<DurableBus> {
  const { bus } = kept;
  if (bus.kind === 'nats') return openNats(kept, bus, hostname());
  return openEmbeddedBus({ file: bus.file, retentionMs: NEVER_MS });
}

function openNats(
  { env, dedupeWindowMs }: Omit<KeptBus, 'bus'>,
  bus: NatsOptions,
  instance: string,
): Promise<DurableBus> {
  const { servers, credentials, tls, replicas, retentionMs, maxBytes } = bus;
  return openNatsBus({
    ...{ env, servers, tls, replicas, dedupeWindowMs, retentionMs },
    credentials: credentials === null ? { kind: 'none' } : credentialsOf(credentials.reveal()),
    instance,
    ...(maxBytes === null ? {} : { maxBytes }),
  });
}
