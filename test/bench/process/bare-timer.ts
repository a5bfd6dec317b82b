import { answerCalls } from '../child.ts';

let late: number[] = [];
let timer: NodeJS.Timeout | undefined;

/** One timer for each full second, in a process with nothing else to do: what the machine itself makes late. */
function arm(): void {
  const due = Math.floor(Date.now() / 1000) * 1000 + 1000;
  timer = setTimeout(() => {
    late.push(Date.now() - due);
    arm();
  }, due - Date.now());
}

const handlers = {
  start(_: null): void {
    arm();
  },

  /** @returns by how many milliseconds each was late since the last time */
  take(_: null): number[] {
    const taken = late;
    late = [];
    return taken;
  },
};

export type BareTimerProcess = typeof handlers;

answerCalls(handlers, () => clearTimeout(timer));
