import { defineProvider, type Json, ProviderProblem } from 'gtpack/sdk';

export const { ingest, invoke } = defineProvider({
  /** A request from outside becomes an event, or several. The host has checked its signature, if the bundle asks for one. */
  ingest({ body, body_encoding, event_type, headers }) {
    const key = headers['idempotency-key'];
    return {
      events: [
        {
          ...(event_type === null ? {} : { event_type }),
          // A delivery that is sent again is the same event.
          ...(key === undefined ? {} : { idempotency_key: key }),
          payload: parsed(body_encoding === 'utf8' ? body : ''),
        },
      ],
    };
  },

  /** What flows call. The input was checked against its schema before. */
  invoke: {
    greet: (input) => ({ greeting: `Hello, ${(input as { name: string }).name}` }),
  },
});

function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw new ProviderProblem('json_invalid', 'The body is not JSON.');
  }
}
