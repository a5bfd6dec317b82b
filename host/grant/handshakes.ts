import * as z from 'zod';
import { fault } from '../written/readers.ts';

/** Questions that senders ask before they send, and that nobody signs. */
export const HANDSHAKES = ['websub', 'cloudevents'] as const;
export type Handshake = (typeof HANDSHAKES)[number];

/** `handshakes` of a provider with `signatures`: which of them it answers all the same. */
export const handshakesShape = z
  .array(z.enum(HANDSHAKES, { error: (issue) => fault('"websub" or "cloudevents"', issue.input) }), {
    error: (issue) => fault('a list, such as [websub],', issue.input),
  })
  .min(1, 'One at least was expected; without any, leave the key out.');
