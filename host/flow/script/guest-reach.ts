import { LOG_LEVELS, type LogLevel } from '../../contract.ts';
import type { QuickJsHost } from './quickjs.ts';

/** What a stretch of guest code may reach. */
export interface GuestReach {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** True ends the guest. */
  shouldStop(): boolean;
  onConsole(level: LogLevel, line: string): void;
  /** Full name of an imported module; undefined refuses it. */
  resolveModule(base: string, request: string): string | undefined;
  moduleSource(name: string): string | undefined;
}

const NOTHING: GuestReach = {
  now: () => 0,
  shouldStop: () => false,
  onConsole: () => undefined,
  resolveModule: () => undefined,
  moduleSource: () => undefined,
};

/** The host of QuickJS, which is fixed when it is loaded, switched to what the present run may reach. */
export class SwitchedHost implements QuickJsHost {
  /** Undefined while no guest code runs. Plain data: entering and leaving must not need a stack frame. */
  reach: GuestReach | undefined;
  /** Whether the present run was told to stop. Once told, it is told at every question. */
  stopped = false;
  memoryFull = false;
  readonly #maxLineBytes: number;

  constructor(maxLineBytes: number) {
    this.#maxLineBytes = maxLineBytes;
  }

  now(): number {
    return this.#present.now();
  }

  shouldStop(): boolean {
    this.stopped ||= this.#present.shouldStop();
    return this.stopped;
  }

  onMemoryFull(): void {
    this.memoryFull = true;
  }

  print(level: string, line: string): void {
    const known = LOG_LEVELS.find((name) => name === level) ?? 'info';
    this.#present.onConsole(known, cutToBytes(line, this.#maxLineBytes));
  }

  resolveModule(base: string, request: string): string | undefined {
    return this.#present.resolveModule(base, request);
  }

  moduleSource(name: string): string | undefined {
    return this.#present.moduleSource(name);
  }

  get #present(): GuestReach {
    return this.reach ?? NOTHING;
  }
}

function cutToBytes(text: string, maxBytes: number): string {
  if (text.length * 3 <= maxBytes) return text;
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(maxBytes));
  return text.slice(0, read);
}
