import * as z from 'zod';
import { errorMessage } from '../errors.ts';
import type { Json } from '../event/json.ts';
import { type EnvName, parseEnvName } from '../event/names.ts';
import { flowGrantsShape } from '../grant/flow-grants.ts';
import { grantsShape } from '../grant/grants.ts';
import { handshakesShape } from '../grant/handshakes.ts';
import { signaturesShape } from '../grant/signatures.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import { duration, fault, mapping, path, size, text } from '../written/readers.ts';
import { auditShape, DEFAULT_AUDIT } from './audit-shape.ts';
import { busShape, DEFAULT_BUS } from './bus-shape.ts';
import { limitsShape } from './limits-shape.ts';
import { type ListenAddress, parseListenAddress } from './listen-address.ts';
import { parsePublicUrl } from './public-url.ts';
import { secretsShape } from './secrets-shape.ts';
import { trustShape } from './trust-file.ts';

/**
 * The bundle as people write it. Paths are relative to the folder of the bundle file; absolute ones and `..` are the
 * operator's good right.
 */

const DEFAULT_LISTEN: ListenAddress = Object.freeze({ host: '127.0.0.1', port: 8080 });
/** The port that exporters of this kind have by custom. */
const DEFAULT_OPERATOR_LISTEN: ListenAddress = Object.freeze({ host: '127.0.0.1', port: 9464 });
const DEFAULT_RESPONSE_TIMEOUT_MS = 10_000;
const DEFAULT_DEDUPE_WINDOW_MS = 24 * 3_600_000;
const DEFAULT_DRAIN_GRACE_MS = 10_000;

/** A key of the full form that this version must not read as if it kept its promise. */
function notYet(what: string) {
  return z.undefined({ error: `${what} not in this version of gtpack. Leave the key out.` }).optional();
}

const envName: z.ZodType<EnvName> = z
  .string({ error: (issue) => fault('the name of an env', issue.input) })
  .transform((value, context) => {
    try {
      return parseEnvName(value);
    } catch (error) {
      context.addIssue({ code: 'custom', message: errorMessage(error), input: value });
      return z.NEVER;
    }
  });

const isolation = z.enum(['shared', 'process'], {
  error: (issue) => fault('"shared" or "process"', issue.input),
});

const providerFile = mapping({
  pack: path('the path of a .gtpack'),
  enabled: z
    .boolean({ error: (issue) => fault('true or false', issue.input) })
    .optional()
    .default(true),
  config: z.custom<Json>().optional(),
  grants: grantsShape.optional(),
  limits: notYet('limits of a single provider are'),
  signatures: signaturesShape.optional(),
  handshakes: handshakesShape.optional(),
  isolation: isolation.optional(),
  allow_unsigned: z
    .boolean({ error: (issue) => fault('true or false', issue.input) })
    .optional()
    .default(false),
});

const providersFile = z.record(z.string(), providerFile, {
  error: (issue) => fault('a mapping of provider names', issue.input),
});

const flowsFile = z.array(path('the path of a flow, or a glob,'), {
  error: (issue) => fault('a list of paths or globs, such as ["flows/*.ygtc"],', issue.input),
});

const tenantFile = mapping({
  providers: providersFile.optional(),
  flows: flowsFile.optional(),
  grants: flowGrantsShape.optional(),
  secrets: secretsShape.optional(),
  limits: mapping(limitsShape).optional(),
  isolation: isolation.optional(),
  ordered: z.boolean({ error: (issue) => fault('true or false', issue.input) }).optional(),
});

const httpFile = mapping({
  listen: text('an address with a port, such as "127.0.0.1:8080" or "[::1]:8080",', parseListenAddress)
    .optional()
    .default(DEFAULT_LISTEN),
  max_body: size(1, 64 * 1024 ** 2)
    .optional()
    .default(DEFAULT_LIMITS.maxBodyBytes),
  response_timeout: duration(1, 600_000).optional().default(DEFAULT_RESPONSE_TIMEOUT_MS),
  public_url: text(
    'a URL such as "https://hooks.example.com", without user, query and fragment,',
    parsePublicUrl,
  ).optional(),
});

const operatorFile = mapping({
  listen: text('an address with a port, such as "127.0.0.1:9464",', parseListenAddress)
    .optional()
    .default(DEFAULT_OPERATOR_LISTEN),
});

export const bundleFile = mapping({
  env: envName.optional().default('dev' as EnvName),
  bus: busShape.optional().default(DEFAULT_BUS),
  http: httpFile.optional().default({
    listen: DEFAULT_LISTEN,
    max_body: DEFAULT_LIMITS.maxBodyBytes,
    response_timeout: DEFAULT_RESPONSE_TIMEOUT_MS,
  }),
  operator: operatorFile.optional(),
  dedupe_window: duration(1000, 90 * 86_400_000)
    .optional()
    .default(DEFAULT_DEDUPE_WINDOW_MS),
  drain_grace: duration(0, 3_600_000).optional().default(DEFAULT_DRAIN_GRACE_MS),
  providers: providersFile.optional(),
  flows: flowsFile.optional(),
  grants: flowGrantsShape.optional(),
  tenants: z
    .record(z.string(), tenantFile, { error: (issue) => fault('a mapping of tenant names', issue.input) })
    .optional(),
  trust: trustShape.optional(),
  audit: auditShape.optional().default(DEFAULT_AUDIT),
  secrets: secretsShape.optional(),
});

export type BundleFile = z.output<typeof bundleFile>;
export type TenantFile = z.output<typeof tenantFile>;
export type ProviderFile = z.output<typeof providerFile>;
