import { Fault } from '../written/readers.ts';
import type { PayloadPart } from './signature-scheme.ts';

export const PAYLOAD_FORM =
  'a text with {body} once and, where a timestamp is signed, {timestamp} once, such as "{timestamp}.{body}",';

const PLACE = /(\{[^{}]*\})/;
const MAX_CHARACTERS = 128;

/**
 * What a sender signs, as people write it: `{timestamp}.{body}`.
 *
 * A digit, or nothing, between the two would let a sender who has one signature move digits of the body into the
 * timestamp, or back, and keep the signature. So something else has to stand there.
 */
export function readPayload(written: string): readonly PayloadPart[] | Fault | undefined {
  if (written.length > MAX_CHARACTERS || !/^[\x20-\x7e]*$/.test(written)) return undefined;
  const parts = written.split(PLACE).filter((part) => part !== '');
  const places = parts.filter((part) => PLACE.test(part));
  const unknown = places.find((place) => place !== '{body}' && place !== '{timestamp}');
  if (unknown !== undefined) return new Fault(`${unknown} is not known here: {body} and {timestamp} are.`);
  const times = (place: string): number => places.filter((each) => each === place).length;
  if (times('{body}') !== 1 || times('{timestamp}') > 1) return undefined;
  if (times('{timestamp}') === 1) {
    const [first, second] = [parts.indexOf('{timestamp}'), parts.indexOf('{body}')].sort((a, b) => a - b);
    const between = parts.slice((first ?? 0) + 1, second).join('');
    if (!/^\D+$/.test(between)) {
      return new Fault('Something that is no digit has to stand between {timestamp} and {body}.');
    }
  }
  return parts.map((part): PayloadPart => {
    if (part === '{body}') return { kind: 'body' };
    return part === '{timestamp}' ? { kind: 'timestamp' } : { kind: 'text', text: part };
  });
}

export function signsTimestamp(payload: readonly PayloadPart[]): boolean {
  return payload.some(({ kind }) => kind === 'timestamp');
}
