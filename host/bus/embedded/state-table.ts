import { Buffer } from 'node:buffer';
import type { SQLOutputValue } from 'node:sqlite';
import type { DeleteOutcome, StateOutcome, StateQuota, StoredValue } from '../state.ts';
import type { Statements } from './statements.ts';
import type { OperationOf } from './wire.ts';

/** Values that have expired and are taken away in one step, so that no commit waits long behind it. */
const MAX_EXPIRED_A_STEP = 64;

/** What providers keep, inside the transaction of the batch. Runs in the store's thread. */
export class StateTable {
  readonly #statements: Statements;

  constructor(statements: Statements) {
    this.#statements = statements;
  }

  get({ owner: { tenant, source }, key }: OperationOf<'state_get'>, now: number): StoredValue | null {
    const row = this.#statements.readValue.get(tenant, source, key);
    if (row === undefined || isExpired(row, now)) return null;
    return { json: row.json as string, revision: row.revision as number };
  }

  /** @returns `again` where so much has expired that room is made in more than one step */
  set(operation: OperationOf<'state_set'>, now: number): StateOutcome | 'again' {
    const { owner, key, json, quota, ttlMs } = operation;
    const { tenant, source } = owner;
    const valueBytes = Buffer.byteLength(json);
    if (valueBytes > quota.maxValueBytes) return 'maxValueBytes';
    const before = this.#head(operation, now);
    if (isConflict(operation, before)) return 'conflict';
    const bytes = Buffer.byteLength(key) + valueBytes;
    const grown = { keys: before === undefined ? 1 : 0, bytes: bytes - (before?.bytes ?? 0) };
    if (this.#passed(owner, grown, quota) !== undefined) {
      const dropped = this.#dropExpired(
        this.#statements.expiredOf.all(tenant, source, now, MAX_EXPIRED_A_STEP),
      );
      const bound = this.#passed(owner, grown, quota);
      if (bound !== undefined) return dropped === MAX_EXPIRED_A_STEP ? 'again' : bound;
    }
    const revision = this.#statements.changeStateUsage.get(tenant, source, grown.keys, grown.bytes)?.revision;
    const expiresAt = ttlMs === null ? null : now + ttlMs;
    this.#statements.writeValue.run(tenant, source, key, bytes, json, revision as number, expiresAt);
    return 'stored';
  }

  delete(operation: OperationOf<'state_delete'>, now: number): DeleteOutcome {
    const before = this.#head(operation, now);
    if (isConflict(operation, before)) return 'conflict';
    if (before === undefined) return 'absent';
    this.#drop(operation.owner.tenant, operation.owner.source, operation.key, before.bytes);
    return 'deleted';
  }

  /** Takes away what has expired, of all owners. @returns whether there may be more */
  sweep(now: number): boolean {
    const dropped = this.#dropExpired(this.#statements.expired.all(now, MAX_EXPIRED_A_STEP));
    return dropped === MAX_EXPIRED_A_STEP;
  }

  /** The value that is there; one that has expired is taken away first. */
  #head({ owner: { tenant, source }, key }: OperationOf<'state_set' | 'state_delete'>, now: number) {
    const row = this.#statements.readValueHead.get(tenant, source, key);
    if (row === undefined) return undefined;
    const bytes = row.bytes as number;
    if (!isExpired(row, now)) return { bytes, revision: row.revision as number };
    this.#drop(tenant, source, key, bytes);
    return undefined;
  }

  #passed(
    { tenant, source }: OperationOf<'state_set'>['owner'],
    grown: { readonly keys: number; readonly bytes: number },
    quota: StateQuota,
  ): keyof StateQuota | undefined {
    const usage = this.#statements.readUsage.get(tenant, source);
    if (grown.keys > 0 && ((usage?.keys as number | undefined) ?? 0) + grown.keys > quota.maxKeys)
      return 'maxKeys';
    if (grown.bytes > 0 && ((usage?.bytes as number | undefined) ?? 0) + grown.bytes > quota.maxBytes)
      return 'maxBytes';
    return undefined;
  }

  #dropExpired(rows: readonly Readonly<Record<string, SQLOutputValue>>[]): number {
    for (const { tenant, source, key, bytes } of rows)
      this.#drop(tenant as string, source as string, key as string, bytes as number);
    return rows.length;
  }

  #drop(tenant: string, source: string, key: string, bytes: number): void {
    this.#statements.dropValue.run(tenant, source, key);
    this.#statements.changeStateUsage.get(tenant, source, -1, -bytes);
  }
}

function isExpired(
  { expires_at: expiresAt }: Readonly<Record<string, SQLOutputValue>>,
  now: number,
): boolean {
  return expiresAt !== null && (expiresAt as number) <= now;
}

function isConflict(
  { ifRevision }: { readonly ifRevision: number | null | undefined },
  before: { readonly revision: number } | undefined,
): boolean {
  return ifRevision !== undefined && ifRevision !== (before?.revision ?? null);
}
