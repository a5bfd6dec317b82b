import { connectControl } from '../../control/control.ts';
import { chooseBundleDir } from '../bundle-choice.ts';
import { print, printJson } from '../output.ts';
import { textInput } from '../text-input.ts';
import type { CliWorld } from '../world.ts';

export interface EmitOptions {
  readonly bundle: string | undefined;
  /** JSON text, or `-` for stdin. */
  readonly payload: string;
  readonly json: boolean;
}

/** Publishes one event on a running host. @throws GtpackError as the host does */
export async function emit(
  world: CliWorld,
  tenant: string,
  type: string,
  options: EmitOptions,
): Promise<number> {
  const dir = await chooseBundleDir(world, options.bundle);
  const payload = await textInput(world, options.payload);
  const client = await connectControl(dir);
  try {
    const { id, duplicate } = await client.emit(tenant, type, payload);
    if (options.json) await printJson(world, { id, tenant, type, duplicate });
    else await print(world, `Published ${type} for ${tenant} as ${id}.`);
    return 0;
  } finally {
    client.close();
  }
}
