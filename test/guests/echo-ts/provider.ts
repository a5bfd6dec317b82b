/** The twin of ../echo-as/assembly/index.ts: both give the same answers. */
import { config, defineProvider, type Json, log, ProviderProblem } from 'gtpack/sdk';

export const { ingest, tick, handle, invoke } = defineProvider({
  ingest(request) {
    return {
      events: [
        {
          ...(request.event_type !== null && { event_type: request.event_type }),
          ...(request.headers['idempotency-key'] !== undefined && {
            idempotency_key: request.headers['idempotency-key'],
          }),
          ...(request.verified !== null && { metadata: { verified: request.verified } }),
          payload: jsonBody(request.body_encoding === 'utf8' ? request.body : ''),
        },
      ],
    };
  },

  tick: (tick) => ({ events: [{ event_type: 'echo.tick', payload: { ...tick } }] }),

  handle: (event) => ({ events: [{ event_type: 'echo.handled', payload: { ...event } }] }),

  invoke: {
    echo: (input) => input,
    sum: (input) => (input as number[]).reduce((total, number) => total + number, 0),
    fail() {
      throw new ProviderProblem('asked_to_fail', 'It was asked to fail.', { retryable: true });
    },
    throw() {
      throw new Error('It was asked to throw.');
    },
    log(input) {
      const message = (input as { message?: unknown } | null)?.message;
      log.info(typeof message === 'string' ? message : '');
      return null;
    },
    config: () => config<Json>(),
  },
});

function jsonBody(body: string): Json {
  try {
    return JSON.parse(body);
  } catch {
    throw new ProviderProblem('json_invalid', 'The body is not JSON.');
  }
}
