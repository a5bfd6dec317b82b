import { send } from 'gtpack:plugin/sendgrid@0.1.0';
import { ask, member, toJson, wrongAnswer } from './answer.ts';
import type { JsonObject } from './types.ts';

/** Email through SendGrid's v3 Mail Send. */
export const sendgrid = {
  /**
   * `message`: the JSON body of Mail Send as its vendor documents it. Returns the vendor's id of the message; null without one.
   * @throws ProviderProblem
   */
  send(message: JsonObject): string | null {
    const text = toJson(message, 'sendgrid.send');
    const id = member(
      ask(() => send(text)),
      'message_id',
    );
    if (id !== null && typeof id !== 'string') throw wrongAnswer('sendgrid.send');
    return id;
  },
};
