import { hash } from 'node:crypto';
import { isResumption } from '../bus/parked.ts';
import { isPattern, matchesTokens } from '../event/type-pattern.ts';
import { calledFlow } from './call.ts';
import type { Flow, Trigger } from './flow.ts';

/** A trigger that an event fires. Each is a run of its own. */
export interface Match {
  readonly flow: Flow;
  /** Index in the flow's `triggers`. */
  readonly trigger: number;
  /** The node that the run starts with, or a reserved target. */
  readonly target: string;
}

/** What is known of an event without reading its JSON. */
export interface EventHead {
  readonly type: string;
  /** Set when the event is a tick: the schedule whose trigger it answers. */
  readonly schedule?: string;
}

/** The triggers of a tenant's flows, compiled once. */
export class FlowMatcher {
  readonly #exact = new Map<string, Match[]>();
  readonly #schedules = new Map<string, Match>();
  readonly #calls = new Map<string, Match>();
  readonly #patterns: { readonly tokens: readonly string[]; readonly match: Match }[] = [];

  constructor(flows: readonly Flow[]) {
    for (const flow of flows) {
      for (const [index, trigger] of flow.triggers.entries()) {
        const match = { flow, trigger: index, target: trigger.target };
        this.#add(trigger, match);
      }
    }
  }

  /**
   * What an event fires: a call the flow that it names, and nothing else; what resumes a run nothing; a tick the timer trigger of its schedule, and every event the event triggers whose pattern
   * its type matches. Exact types come before patterns; else the order is that of the flows and their triggers.
   */
  match(event: EventHead): Match[] {
    if (isResumption(event.schedule)) return [];
    const called = calledFlow(event.schedule);
    if (called !== undefined) return [this.#calls.get(called)].filter((match) => match !== undefined);
    const matches: Match[] = [];
    const timer = event.schedule === undefined ? undefined : this.#schedules.get(event.schedule);
    if (timer !== undefined) matches.push(timer);
    const exact = this.#exact.get(event.type);
    if (exact !== undefined) matches.push(...exact);
    if (this.#patterns.length > 0) {
      const tokens = event.type.split('.');
      for (const { tokens: pattern, match } of this.#patterns) {
        if (matchesTokens(pattern, tokens)) matches.push(match);
      }
    }
    return matches;
  }

  #add(trigger: Trigger, match: Match): void {
    if (trigger.type === 'call') {
      this.#calls.set(match.flow.name, match);
      return;
    }
    if (trigger.type === 'timer') {
      this.#schedules.set(trigger.schedule, match);
      return;
    }
    const tokens = trigger.pattern.split('.');
    if (isPattern(tokens)) {
      this.#patterns.push({ tokens, match });
      return;
    }
    const others = this.#exact.get(trigger.pattern);
    if (others === undefined) this.#exact.set(trigger.pattern, [match]);
    else others.push(match);
  }
}

/** Names a run so that a redelivery finds its journal: 32 hex digits. */
export function runId(tenant: string, eventId: string, flow: string, trigger: number): string {
  // None of the parts holds a line feed, so no two runs make one text.
  return hash('sha256', `${tenant}\n${eventId}\n${flow}\n${trigger}`, 'hex').slice(0, 32);
}
