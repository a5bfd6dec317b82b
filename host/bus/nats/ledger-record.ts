import type { Change } from './kept-stream.ts';

/** What an owner has, all that its ledger promised included. */
export interface Usage {
  readonly keys: number;
  /** Keys and values together, as UTF-8; those that have expired and are not swept yet included. */
  readonly bytes: number;
  readonly timers: number;
  /** No value expires before that instant; null where none does. */
  readonly nextExpiry: number | null;
  /** How many values were ever set to expire. */
  readonly mortal: number;
}

export const NOTHING: Usage = { keys: 0, bytes: 0, timers: 0, nextExpiry: null, mortal: 0 };

/**
 * A ledger as it lies on the stream: the counts, and the changes that they count already. The changes are in it with
 * their texts, so that whoever comes next can finish what a dead host began: counts and values never differ for good.
 */
export interface LedgerRecord {
  readonly usage: Usage;
  readonly changes: readonly Change[];
}

interface Head {
  readonly usage: Usage;
  /** Subject, base, and characters of the body; -1 for none. */
  readonly changes: readonly (readonly [subject: string, base: number, length: number])[];
}

/** A line of JSON, and behind it the bodies as they are: escaping them again could double a large one. */
export function ledgerText({ usage, changes }: LedgerRecord): string {
  const head: Head = {
    usage,
    changes: changes.map(({ subject, base, body }) => [subject, base, body?.length ?? -1]),
  };
  return `${JSON.stringify(head)}\n${changes.map(({ body }) => body ?? '').join('')}`;
}

/** @param text of a host: nobody else may write there */
export function readLedger(text: string): LedgerRecord {
  const end = text.indexOf('\n');
  const head = JSON.parse(text.slice(0, end)) as Head;
  let at = end + 1;
  const changes = head.changes.map(([subject, base, length]): Change => {
    if (length < 0) return { subject, base, body: null };
    const body = text.slice(at, at + length);
    at += length;
    return { subject, base, body };
  });
  return { usage: head.usage, changes };
}
