import autocannon from 'autocannon';
import { answerCalls } from '../child.ts';

export interface LoadPlan {
  readonly url: string;
  readonly body: string;
  /** Besides the content type. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly connections: number;
  readonly seconds: number;
}

export interface LoadOutcome {
  readonly acceptedPerSecond: number;
  /** Answers with another status than 202, errors and timeouts. */
  readonly other: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Sends requests as fast as they are answered. */
const handlers = {
  async run({ url, body, headers = {}, connections, seconds }: LoadPlan): Promise<LoadOutcome> {
    const { duration, errors, timeouts, statusCodeStats, latency } = await autocannon({
      url,
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
      connections,
      duration: seconds,
    });
    let accepted = 0;
    let other = errors + timeouts;
    for (const [status, stats] of Object.entries(statusCodeStats)) {
      if (status === '202') accepted += stats?.count ?? 0;
      else other += stats?.count ?? 0;
    }
    return { acceptedPerSecond: accepted / duration, other, p50Ms: latency.p50, p99Ms: latency.p99 };
  },
};

export type LoadProcess = typeof handlers;

answerCalls(handlers, () => undefined);
