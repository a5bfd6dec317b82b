import * as z from 'zod';
import { count, duration, Fault, fault, mapping, path, size, text } from '../written/readers.ts';
import { secretSource } from './secrets-shape.ts';

/** Where the embedded bus lies that a bundle says nothing of. */
const DEFAULT_BUS_FILE = '.gtpack/bus.sqlite';
const DEFAULT_MAX_BYTES = 64 * 1024 ** 3;
const MAX_SERVERS = 16;

const retention = duration(1000, 3650 * 86_400_000).optional();
const maxBytes = size(16 * 1024 ** 2, 16 * 1024 ** 4);

const embedded = mapping({
  kind: z.literal('embedded'),
  file: path('the path of the database').optional().default(DEFAULT_BUS_FILE),
  retention,
  max_bytes: maxBytes.optional().default(DEFAULT_MAX_BYTES),
});

const replicas = count(1, 5).refine((written) => written !== 2 && written !== 4, {
  error: (issue) => fault('1, 3 or 5', issue.input),
});

const nats = mapping({
  kind: z.literal('nats'),
  servers: z
    .array(text('a NATS server such as "nats.example.com:4222" or "tls://nats.example.com",', parseServer), {
      error: (issue) => fault('a list of NATS servers, such as ["127.0.0.1:4222"],', issue.input),
    })
    .min(1, 'One NATS server at least was expected.')
    .max(MAX_SERVERS, `At most ${MAX_SERVERS} NATS servers were expected; the others are learned from them.`),
  credentials: secretSource.optional(),
  tls: mapping({
    ca: path('the path of a file with certificates').optional(),
    cert: path('the path of a certificate').optional(),
    key: path('the path of a private key').optional(),
  })
    .refine(({ cert, key }) => (cert === undefined) === (key === undefined), {
      error: 'cert and key go together: give both, or leave both out.',
    })
    .optional(),
  replicas: replicas.optional().default(1),
  retention,
  max_bytes: maxBytes.optional(),
});

/** `bus` as people write it: a union that is closed by its kind. */
export const busShape = z.discriminatedUnion('kind', [embedded, nats], {
  error: (issue) =>
    issue.code === 'invalid_union'
      ? fault('"embedded" or "nats"', kindOf(issue.input))
      : fault('a mapping with kind: embedded or kind: nats', issue.input),
});

export type BusFile = z.output<typeof busShape>;

export const DEFAULT_BUS: BusFile = Object.freeze({
  kind: 'embedded',
  file: DEFAULT_BUS_FILE,
  max_bytes: DEFAULT_MAX_BYTES,
});

function kindOf(input: unknown): unknown {
  return typeof input === 'object' && input !== null && 'kind' in input ? input.kind : undefined;
}

const SCHEME = /^(nats|tls):\/\//;

/** `[nats://|tls://]host[:port]`; whoever logs in stands in `credentials`. */
function parseServer(written: string): string | Fault | undefined {
  // Not quoted: it may hold a password.
  if (written.includes('@'))
    return new Fault('Whoever logs in does not stand in the address of a server, but in credentials.');
  const scheme = SCHEME.exec(written)?.[0] ?? '';
  const url = URL.parse(`http://${written.slice(scheme.length)}`);
  if (url === null || url.username !== '' || url.password !== '') return undefined;
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '' || written.endsWith('/')) return undefined;
  // A port that is the one of HTTP is left out of the URL.
  const port = /:(\d+)$/.exec(written.slice(scheme.length))?.[1] ?? '4222';
  return `${scheme}${url.hostname}:${port}`;
}
