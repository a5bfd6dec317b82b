import { GtpackError } from '../errors.ts';
import type { CliWorld } from './world.ts';

const MAX_INPUT_BYTES = 1024 * 1024;

/**
 * The text of an option that takes JSON: as it stands, or all of stdin for `-`.
 * @throws GtpackError `json_too_large`, `json_invalid`
 */
export async function textInput(world: CliWorld, given: string): Promise<string> {
  if (given !== '-') return given;
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of world.stdin) {
    const part = Buffer.from(chunk);
    bytes += part.length;
    if (bytes > MAX_INPUT_BYTES) {
      throw new GtpackError('json_too_large', `More than ${MAX_INPUT_BYTES} bytes came on stdin.`);
    }
    chunks.push(part);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch (error) {
    throw new GtpackError('json_invalid', 'What came on stdin is not UTF-8.', { cause: error });
  }
}
