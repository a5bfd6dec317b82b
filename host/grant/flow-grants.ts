import * as z from 'zod';
import { mapping } from '../written/readers.ts';
import { httpGrantShape } from './http-grant.ts';

/** A capability that no node asks for: granting it would look as if it did something. */
function unused(why: string) {
  return z.undefined({ error: `${why} Leave the key out.` }).optional();
}

/**
 * `grants` of a tenant, as people write it: what the flows that its bundle names may reach. The flows of a pack have the
 * grants of the provider that it was installed as.
 */
export const flowGrantsShape = mapping({
  http: httpGrantShape.optional(),
  bus: unused('Flows publish events of their own tenant without a grant.'),
  sendgrid: unused('Flows send no email; only providers do, and a node of type event calls one.'),
  twilio: unused('Flows send no messages; only providers do, and a node of type event calls one.'),
  timers: unused('Flows set no timers; only providers do.'),
  state: unused('Flows keep no state; only providers do.'),
  secrets: unused('Flows read no secrets; only providers do.'),
});
