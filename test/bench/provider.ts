import { codeOf, type ProviderCode } from '../../host/deploy/provider-code.ts';
import { NO_GRANTS } from '../../host/grant/grants.ts';
import { DEFAULT_LIMITS } from '../../host/limits.ts';
import { readPack } from '../../host/pack/read-pack.ts';
import { jcoVersion } from '../../host/sandbox/jco-version.ts';
import type { IngestRequest } from '../../host/sandbox/protocol.ts';
import { Transpiler } from '../../host/sandbox/transpiler.ts';
import { orderBody } from './payload.ts';

/** The only provider of a pack, linked as the host links it. @param cacheDir of transpiled components */
export async function openProvider(file: string, cacheDir: string): Promise<ProviderCode> {
  const pack = await readPack(file);
  const [provider] = pack.providers;
  if (provider === undefined) throw new Error(`${file} has no provider`);
  const transpiler = new Transpiler({
    cacheDir,
    version: jcoVersion,
    wallMs: DEFAULT_LIMITS.transpileWallMs,
    memoryBytes: DEFAULT_LIMITS.transpileMemoryBytes,
  });
  const binding = {
    id: provider.id,
    pack: file,
    line: 1,
    enabled: true,
    allowUnsigned: false,
    config: {},
    grants: NO_GRANTS,
  };
  return codeOf(binding, pack, provider, { transpiler, bundleFile: file });
}

/** What ingress makes of a webhook that autocannon sends. */
export function webhookRequest(): IngestRequest {
  const body = orderBody();
  return {
    handler: null,
    eventType: 'order.created',
    method: 'POST',
    path: '/events/webhook/bench/order.created',
    query: {},
    headers: {
      host: '127.0.0.1:8080',
      connection: 'keep-alive',
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
    },
    body,
    bodyEncoding: 'utf8',
    receivedAt: 1_790_000_000_000,
  };
}
