/** The part of autocannon's interface that is used here. */
declare module 'autocannon' {
  export interface Options {
    readonly url: string;
    readonly method: 'POST';
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
    readonly connections: number;
    /** Seconds. */
    readonly duration: number;
  }

  export interface Result {
    /** Seconds that it took. */
    readonly duration: number;
    readonly errors: number;
    readonly timeouts: number;
    readonly statusCodeStats: Readonly<Record<string, { readonly count: number } | undefined>>;
    /** Milliseconds. */
    readonly latency: { readonly p50: number; readonly p99: number };
  }

  // biome-ignore lint/style/noDefaultExport: the package exports it so
  export default function autocannon(options: Options): PromiseLike<Result>;
}
