import { resolve } from 'node:path';
import { Secret } from '../grant/secret.ts';
import { formatDuration } from '../written/duration.ts';
import type { BusOptions, NatsOptions } from './bundle.ts';
import type { BusFile } from './bus-shape.ts';
import { problemAt } from './problems.ts';
import { readSecret, type SecretsPlace } from './read-secrets.ts';

const WEEK_MS = 7 * 86_400_000;

/** The bus of a bundle, with its paths resolved and its credentials read. */
export async function readBus(bus: BusFile, windowMs: number, place: SecretsPlace): Promise<BusOptions> {
  const { dir, yaml, problems } = place;
  const leastMs = bus.kind === 'nats' ? Math.max(windowMs, WEEK_MS) : windowMs;
  const { retention: retentionMs = leastMs } = bus;
  if (retentionMs < windowMs) {
    const message = `What is kept for ${formatDuration(retentionMs)} cannot tell duplicates for ${formatDuration(windowMs)} (dedupe_window).`;
    problems.push({
      ...problemAt(yaml, ['bus', 'retention'], 'bundle_invalid', message),
      cure: 'Keep it at least as long, or shorten dedupe_window.',
    });
  }
  if (bus.kind === 'embedded')
    return { kind: 'embedded', file: resolve(dir, bus.file), retentionMs, maxBytes: bus.max_bytes };
  return {
    kind: 'nats',
    servers: bus.servers,
    credentials: await credentialsOf(bus, place),
    tls: tlsOf(bus, dir),
    replicas: bus.replicas as NatsOptions['replicas'],
    retentionMs,
    maxBytes: bus.max_bytes ?? null,
  };
}

type NatsFile = Extract<BusFile, { readonly kind: 'nats' }>;

async function credentialsOf({ credentials }: NatsFile, place: SecretsPlace): Promise<Secret | null> {
  if (credentials === undefined || place.environment === null) return null;
  const text = await readSecret('What bus.credentials names', credentials, ['bus', 'credentials'], place);
  return text === undefined ? null : new Secret('bus.credentials', text);
}

function tlsOf({ tls, servers }: NatsFile, dir: string): NatsOptions['tls'] {
  if (tls === undefined) return servers.some((server) => server.startsWith('tls://')) ? {} : null;
  const { ca, cert, key } = tls;
  return {
    ...(ca === undefined ? {} : { ca: resolve(dir, ca) }),
    ...(cert === undefined ? {} : { cert: resolve(dir, cert) }),
    ...(key === undefined ? {} : { key: resolve(dir, key) }),
  };
}
