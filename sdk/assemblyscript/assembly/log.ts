// @ts-ignore: decorator
@external("gtpack:plugin/log@0.1.0", "write")
declare function write(level: string, message: string): void;

/** Lines of at most 8 KiB, at most 100 a call, into the host's log. */
export namespace log {
  export function debug(message: string): void {
    write("debug", message);
  }
  export function info(message: string): void {
    write("info", message);
  }
  export function warn(message: string): void {
    write("warn", message);
  }
  export function error(message: string): void {
    write("error", message);
  }
}
