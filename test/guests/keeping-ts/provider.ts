/** The twin of ../keeping/assembly/index.ts: both do the same and give the same answers. */
import { get, delete as remove, set } from 'gtpack:plugin/state@0.1.0';
import { clear as clearTimer, set as setTimer } from 'gtpack:plugin/timers@0.1.0';
import { defineProvider, type Json } from 'gtpack/sdk';

function act(text: string): string {
  const [fn = '', first = '', second = ''] = text.split('\n');
  switch (fn) {
    case 'get':
      return answerOf(() => get(first));
    case 'set':
      return answerOf(() => set(first, second));
    case 'delete':
      return answerOf(() => remove(first));
    case 'timer':
      return answerOf(() => setTimer(first));
    case 'clear':
      return answerOf(() => clearTimer(first));
    default: {
      let answer = '';
      for (let n = 0; n < 60 && !answer.startsWith('{"err"'); n += 1) {
        const own = first.replace('#', String(n));
        answer = answerOf(() => (fn === 'fill' ? set(own, second) : setTimer(own)));
      }
      return answer;
    }
  }
}

/** As the other kind of plugin sees it. */
function answerOf(call: () => string): string {
  try {
    return `{"ok":${call()}}`;
  } catch (problem) {
    return JSON.stringify({ err: problemOf(problem) });
  }
}

function problemOf(thrown: unknown): Json {
  const { code, message, retryable } = ((thrown as { payload?: unknown }).payload ?? thrown) as {
    code: string;
    message: string;
    retryable: boolean;
  };
  return { code, message, retryable };
}

export const { ingest, invoke } = defineProvider({
  ingest: (request) => ({ events: [], response: { status: 200, body: act(request.body) } }),
  invoke: { do: (input) => JSON.parse(act(input as string)) as Json },
});
