import { resolve } from 'node:path';
import { hostLogTo, note, plain, print, printJson } from '../output.ts';
import type { Rooms } from '../rooms.ts';
import { textInput } from '../text-input.ts';
import type { CliWorld } from '../world.ts';

export interface CallCommandOptions {
  /** JSON text, or `-` for stdin. */
  readonly input: string;
  readonly provider: string | undefined;
  readonly json: boolean;
}

/** Calls a provider of a pack once. @returns 1 when the provider answers with a problem */
export async function call(
  world: CliWorld,
  rooms: Rooms,
  file: string,
  operation: string,
  { input, provider, json }: CallCommandOptions,
): Promise<number> {
  const answer = await rooms.callPlugin(resolve(world.cwd, file), operation, await textInput(world, input), {
    log: hostLogTo(world),
    ...(provider === undefined ? {} : { provider }),
  });
  switch (answer.kind) {
    case 'output':
      await print(world, json ? `{"output":${oneLine(answer.output)}}` : plain(oneLine(answer.output)));
      return 0;
    case 'problem':
      if (json) await printJson(world, { problem: answer.problem });
      else
        await note(
          world,
          plain(`The provider answered with the problem ${answer.problem.code}: ${answer.problem.message}`),
        );
      return 1;
  }
}

/** In JSON a line break can only stand between tokens. */
function oneLine(json: string): string {
  return json.replace(/[\r\n]+/g, ' ');
}
