import { textField } from "./json";

// @ts-ignore: decorator
@external("gtpack:plugin/config@0.1.0", "get")
declare function get(): string;

// It never changes in an instance's life, so it crosses once.
let cached: string | null = null;

/** The provider's `config` of the bundle as JSON; `null` without one. */
export function configJson(): string {
  let json = cached;
  if (json === null) {
    json = get();
    cached = json;
  }
  return json;
}

/** A key of the config that is a string; null where there is none or it is something else. */
export function configText(name: string): string | null {
  return textField(configJson(), name);
}
