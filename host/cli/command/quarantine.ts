import * as z from 'zod';
import { connectControl } from '../../control/control.ts';
import { GtpackError } from '../../errors.ts';
import { chooseBundleDir } from '../bundle-choice.ts';
import { plain, print, printJson } from '../output.ts';
import type { CliWorld } from '../world.ts';

export interface QuarantineOptions {
  readonly bundle: string | undefined;
  readonly json: boolean;
}

const listShape = z.array(
  z.object({
    tenant: z.string(),
    source: z.string(),
    remaining_ms: z.number(),
    times: z.number(),
    detail: z.string(),
  }),
);

/** Shows what a running host holds back. @throws GtpackError as the control socket does */
export async function quarantineList(world: CliWorld, { bundle, json }: QuarantineOptions): Promise<number> {
  const client = await connectControl(await chooseBundleDir(world, bundle));
  try {
    const parsed = listShape.safeParse(await client.quarantined());
    if (!parsed.success) throw new GtpackError('control_message_invalid', 'The host answered with no list.');
    if (json) await printJson(world, { quarantined: parsed.data });
    else if (parsed.data.length === 0) await print(world, 'Nothing is quarantined.');
    else {
      await print(
        world,
        ...parsed.data.map(({ tenant, source, remaining_ms, times, detail }) =>
          plain(
            `${tenant}  ${source}  ${Math.ceil(remaining_ms / 1000)} s more, ${times === 1 ? 'for the first time' : `${times} times by now`}: ${detail}`,
          ),
        ),
      );
    }
    return 0;
  } finally {
    client.close();
  }
}

/** Lets a provider or flow go at once. Status 1 where it was not held. */
export async function quarantineRelease(
  world: CliWorld,
  tenant: string,
  source: string,
  { bundle, json }: QuarantineOptions,
): Promise<number> {
  const client = await connectControl(await chooseBundleDir(world, bundle));
  try {
    const released = (await client.release(tenant, source)) === true;
    if (json) await printJson(world, { tenant, source, released });
    else await print(world, plain(`${source} of ${tenant} is ${released ? 'released' : 'not quarantined'}.`));
    return released ? 0 : 1;
  } finally {
    client.close();
  }
}
