import { publish } from 'gtpack:plugin/bus@0.1.0';
import { ask, member, toJson, wrongAnswer } from './answer.ts';
import type { EventDraft } from './types.ts';

/** A draft that names its type: nothing else says what the event is. */
export type TypedDraft = EventDraft & { readonly event_type: string };

/** Publishing of events, to the provider's own tenant. */
export const bus = {
  /**
   * Publishes all of the events or none. Returns their ids, in the same order, once they are durable.
   * @throws ProviderProblem `event_invalid`, `capability_denied`
   */
  publish(drafts: readonly TypedDraft[]): readonly string[] {
    const text = toJson(drafts, 'bus.publish');
    const ids = member(
      ask(() => publish(text)),
      'ids',
    );
    const isList = Array.isArray(ids) && ids.length === drafts.length;
    if (!isList || !ids.every((id) => typeof id === 'string')) throw wrongAnswer('bus.publish');
    return ids;
  },
};
