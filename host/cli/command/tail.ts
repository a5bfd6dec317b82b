import * as z from 'zod';
import { connectControl, type TailLine } from '../../control/control.ts';
import { GtpackError } from '../../errors.ts';
import { quoted } from '../../event/names.ts';
import { chooseBundleDir } from '../bundle-choice.ts';
import { note, plain, print } from '../output.ts';
import type { CliWorld } from '../world.ts';

export interface TailOptions {
  readonly bundle: string | undefined;
  readonly tenant: string | undefined;
  readonly json: boolean;
}

const statusSchema = z.object({
  url: z.string(),
  env: z.string(),
  tenants: z.array(z.object({ id: z.string() })),
});

/** Shows what passes on the bus of a running host, until it is stopped. @throws GtpackError as the control socket does */
export async function tail(world: CliWorld, options: TailOptions): Promise<number> {
  const client = await connectControl(await chooseBundleDir(world, options.bundle));
  const leave = (): void => client.close();
  world.stop.addEventListener('abort', leave);
  try {
    const status = statusSchema.parse(await client.status());
    assertTenant(options.tenant, status.tenants);
    const whose = options.tenant === undefined ? '' : ` of ${options.tenant}`;
    await note(
      world,
      `Watching the events${whose} of the host at ${status.url} (env ${plain(status.env)}) …`,
    );
    for await (const line of client.tail(options.tenant)) {
      await print(world, options.json ? line : readable(line));
    }
    return 0;
  } catch (error) {
    if (world.stop.aborted) return 0;
    throw error;
  } finally {
    world.stop.removeEventListener('abort', leave);
    client.close();
  }
}

function assertTenant(tenant: string | undefined, known: readonly { readonly id: string }[]): void {
  if (tenant === undefined || known.some(({ id }) => id === tenant)) return;
  const names = known.map(({ id }) => id).join(', ');
  throw new GtpackError('tenant_unknown', `The host has no tenant ${quoted(tenant)}.`, {
    cure: `Its tenants: ${names}.`,
  });
}

const MESSAGE = /^\{"kind":"(\w+)","subject":"([^"]*)","tenant":"[^"]*","type":"[^"]*","\w+":(.*)\}$/s;
const DROPPED = /^\{"kind":"dropped","count":(\d+)\}$/;

/** `event  greentic.events.dev.demo.order.created  {…}`; the text is cut out, not parsed. */
function readable(line: TailLine): string {
  const [, kind, subject, text] = MESSAGE.exec(line) ?? [];
  if (kind !== undefined && subject !== undefined && text !== undefined) {
    return `${kind.padEnd(11)} ${subject}  ${plain(text)}`;
  }
  const [, count] = DROPPED.exec(line) ?? [];
  return count === undefined
    ? plain(line)
    : `dropped     ${count} messages were left out: they came faster than this terminal took them`;
}
