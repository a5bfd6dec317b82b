import type { Bundle } from '../../bundle/bundle.ts';
import { parseListenAddress } from '../../bundle/listen-address.ts';
import { assertNoHost, type ControlServer, openControl } from '../../control/control.ts';
import { GtpackError } from '../../errors.ts';
import type {
  HostLog,
  ProviderDescription,
  RunningHost,
  TenantDescription,
  TimerDescription,
} from '../../running-host.ts';
import { formatDuration } from '../../written/duration.ts';
import { chooseBundle, defaultBundleDir } from '../bundle-choice.ts';
import { jsonLogTo } from '../json-log.ts';
import { hostLogTo, note, plain, print, shownPath } from '../output.ts';
import type { Rooms } from '../rooms.ts';
import { type CliWorld, stopped } from '../world.ts';

export interface UpOptions {
  readonly bundle: string | undefined;
  /** `HOST:PORT`, instead of the bundle's. */
  readonly listen: string | undefined;
  /** Tells it from other hosts of the env on one NATS. */
  readonly instance: string | undefined;
  /** `text` for people (default), or `json` for what collects logs. */
  readonly log: string | undefined;
}

/** Runs a bundle until it is told to stop. @throws GtpackError as loading and starting do */
export async function up(world: CliWorld, rooms: Rooms, options: UpOptions): Promise<number> {
  const address = listenAddress(options.listen);
  const instance = instanceName(options.instance);
  const log = logOf(world, options.log);
  const say = (text: string): Promise<void> => {
    if (options.log !== 'json') return note(world, text);
    log({ level: 'info', message: text });
    return Promise.resolve();
  };
  const loaded = await rooms.loadBundle(await chooseBundle(world, options.bundle), world.env);
  const bundle: Bundle = address === undefined ? loaded : { ...loaded, http: { ...loaded.http, ...address } };
  await assertNoHost(bundle.dir);
  if (world.showsProgress) await say('Starting …');
  const host = await rooms.startHost(bundle, { log, ...(instance === undefined ? {} : { instance }) });
  let control: ControlServer;
  try {
    control = await openControl(bundle.dir, host.control);
  } catch (error) {
    await host.stop(0);
    throw error;
  }
  await print(world, ...(await welcome(world, bundle, host, instance)));
  const reason = await Promise.race([stopped(world), host.lost]);
  if (reason instanceof GtpackError) {
    await control.close();
    await host.stop(0);
    throw reason;
  }
  if (reason !== 'output_closed') {
    const grace = formatDuration(bundle.drainGraceMs);
    await say(`Stopping: running work may finish within ${grace}. A second Ctrl-C ends it at once.`);
  }
  await control.close();
  await host.stop(bundle.drainGraceMs);
  if (reason !== 'output_closed') await say('Stopped.');
  return 0;
}

function logOf(world: CliWorld, format: string | undefined): HostLog {
  if (format === undefined || format === 'text') return hostLogTo(world);
  if (format === 'json') return jsonLogTo(world);
  throw new GtpackError('option_invalid', `--log takes text or json; ${JSON.stringify(format)} came.`, {
    cure: 'Leave it out for lines that people read.',
  });
}

/** Shown by NATS and in logs, so one plain word. */
function instanceName(text: string | undefined): string | undefined {
  if (text === undefined || /^[\w.-]{1,63}$/.test(text)) return text;
  throw new GtpackError('option_invalid', `--instance takes a name; ${JSON.stringify(text)} came.`, {
    cure: 'Write 1 to 63 letters, digits, dots, hyphens and underscores, such as host-a.',
  });
}

function listenAddress(text: string | undefined): { host: string; port: number } | undefined {
  if (text === undefined) return undefined;
  const address = parseListenAddress(text);
  if (address !== undefined) return address;
  throw new GtpackError('option_invalid', `--listen takes HOST:PORT; ${JSON.stringify(text)} came.`, {
    cure: 'Write 127.0.0.1:8080, [::1]:8080, or port 0 for any free one.',
  });
}

/** What a newcomer reads first: what runs, one line to try, then what there is. */
async function welcome(
  world: CliWorld,
  bundle: Bundle,
  host: RunningHost,
  instance: string | undefined,
): Promise<string[]> {
  const { env, tenants } = host.describe();
  const named = instance === undefined ? '' : `, instance ${instance}`;
  const lines = [`gtpack runs ${plain(shownPath(world, bundle.file))} (env ${env}${named}) at ${host.url}`];
  const curl = tryLine(tenants, bundle.http.publicUrl, host.url);
  if (curl !== undefined) lines.push('', 'Send it an event:', `  ${curl}`);
  lines.push('', 'Watch what passes, in another terminal:', `  ${await tailLine(world, bundle)}`);
  for (const tenant of tenants) lines.push('', ...tenantLines(tenant, world.now()));
  lines.push('', 'Ctrl-C stops it.');
  return lines;
}

/** To the host itself, whatever senders go through; and to a webhook that anybody may send to. */
function tryLine(
  tenants: readonly TenantDescription[],
  publicUrl: string | null,
  hostUrl: string,
): string | undefined {
  const [url] = tenants.flatMap(({ providers, webhookUrls }) =>
    providers
      .filter(({ kind }) => kind === 'webhook')
      .flatMap(({ signatures }, index) => (signatures.length === 0 ? (webhookUrls[index] ?? []) : [])),
  );
  if (url === undefined) return undefined;
  const own = publicUrl === null ? url : `${hostUrl}${url.slice(publicUrl.length)}`;
  const target = own.replace('{event_type}', 'order.created').replace('{handler}', 'try');
  return `curl -i -X POST ${target} -H 'content-type: application/json' -d '{"order":{"id":42,"total":99.5}}'`;
}

async function tailLine(world: CliWorld, { dir }: Bundle): Promise<string> {
  const program = world.env.npm_lifecycle_event === undefined ? 'gtpack' : 'npm run -s gtpack --';
  const isDefault = (await defaultBundleDir(world)) === dir;
  return `${program} tail${isDefault ? '' : ` --bundle ${shellWord(shownPath(world, dir))}`}`;
}

function shellWord(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

function tenantLines(
  { id, isolation, providers, webhookUrls, flows, timers }: TenantDescription,
  now: number,
): string[] {
  return [
    `Tenant ${id}${isolation === 'process' ? ' (in a cell host of its own)' : ''}`,
    ...providers.map((provider) => `  provider  ${provider.id} (${providerText(provider)})`),
    ...webhookUrls.map((url) => `  webhook   POST ${url}`),
    ...flows.map((flow) => `  flow      ${plain(flow)}`),
    ...timers.map((timer) => `  timer     ${timerText(timer, now)}`),
  ];
}

function providerText({ kind, signatures }: ProviderDescription): string {
  return signatures.length === 0 ? kind : `${kind}, signed: ${signatures.join(', ')}`;
}

function timerText({ schedule, plan, next }: TimerDescription, now: number): string {
  const when = next === null ? 'never' : `${instantText(next)}, ${inText(next - now)}`;
  return `${plain(schedule)}  ${plain(plan)}  next: ${when}`;
}

function instantText(instant: number): string {
  return new Date(instant).toISOString().replace('.000Z', 'Z');
}

const UNITS: readonly (readonly [unit: string, ms: number])[] = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000],
];

function inText(durationMs: number): string {
  const [unit, length] = UNITS.find(([, ms]) => durationMs >= ms) ?? ['second', 1000];
  const count = Math.max(0, Math.round(durationMs / length));
  return `in ${count} ${unit}${count === 1 ? '' : 's'}`;
}
