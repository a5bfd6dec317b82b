/** The host's interfaces, as the bundler leaves them in and the component links them. Only what is imported is asked of the host. */

declare module 'gtpack:plugin/config@0.1.0' {
  export function get(): string;
}

declare module 'gtpack:plugin/log@0.1.0' {
  export function write(level: 'debug' | 'info' | 'warn' | 'error', message: string): void;
}

// The functions below return JSON text, and throw an Error whose `payload` is the problem's record `{ code, message, retryable }`.

declare module 'gtpack:plugin/http@0.1.0' {
  export function send(request: string): string;
}

declare module 'gtpack:plugin/bus@0.1.0' {
  export function publish(events: string): string;
}

declare module 'gtpack:plugin/sendgrid@0.1.0' {
  export function send(message: string): string;
}

declare module 'gtpack:plugin/twilio@0.1.0' {
  export function send(message: string): string;
}

declare module 'gtpack:plugin/timers@0.1.0' {
  export function set(timer: string): string;
  export function clear(id: string): string;
  export function list(query: string): string;
}

declare module 'gtpack:plugin/state@0.1.0' {
  export function get(key: string): string;
  export function set(key: string, value: string): string;
  // The name in the WIT is a reserved word in JavaScript.
  function remove(key: string): string;

  export { remove as delete };
}

declare module 'gtpack:plugin/secrets@0.1.0' {
  export function get(name: string): string;
}
