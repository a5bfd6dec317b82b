import { Buffer } from 'node:buffer';
import { timingSafeEqual } from 'node:crypto';

/**
 * Whether a text that was sent is the one that was made, in a time that tells nothing of where they differ. That their
 * lengths differ may be seen: how long a signature is, is no secret.
 */
export function sameText(made: string, sent: string): boolean {
  if (made.length !== sent.length) return false;
  const [own, theirs] = [Buffer.from(made, 'utf8'), Buffer.from(sent, 'utf8')];
  return own.length === theirs.length && timingSafeEqual(own, theirs);
}
