import { hash } from 'node:crypto';
import type { EventMessage } from './bus.ts';
import type { Owner } from './owner.ts';
import { timerSchedule } from './parked.ts';
import type { Timer } from './timers.ts';

/**
 * The event id of a timer's instant (S5): 128 bits of SHA-256 over tenant, provider, timer and instant.
 * @param dueAt milliseconds since the Unix epoch
 */
export function timerEventId({ tenant, source }: Owner, id: string, dueAt: number): string {
  // Neither a tenant nor a provider holds a line feed and an instant is digits, so no two of them make one text.
  return `timer-${hash('sha256', `${tenant}\n${source}\n${dueAt}\n${id}`, 'hex').slice(0, 32)}`;
}

/**
 * The event of a timer's instant, put together of texts that are not parsed. The cell that normalized it left out what
 * depends on the instant; a trace of its own it has only where it was set while an event was handled.
 * @param traceId for a firing that begins a trace: 32 lower-case hex digits
 */
export function timerEvent(owner: Owner, timer: Timer, traceId: string): EventMessage {
  const { type, dueAt, payload, metadata } = timer;
  const id = timerEventId(owner, timer.id, dueAt);
  const head = `{"id":"${id}","event_type":"${type}","source":${JSON.stringify(owner.source)},"timestamp":${dueAt}`;
  const trace = metadata.startsWith('{"trace_id":')
    ? ''
    : `"trace_id":"${traceId}","correlation_id":"${id}",`;
  const json = `${head},"payload":${payload},"metadata":{${trace}${metadata.slice(1)}}`;
  return { id, type, json, ...timerSchedule(owner, timer) };
}
