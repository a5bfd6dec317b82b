import { Buffer } from 'node:buffer';
import type { StateOutcome } from '../state.ts';
import type { Statements } from './statements.ts';
import type { OperationOf } from './wire.ts';

/** What providers keep, inside the transaction of the batch. Runs in the store's thread. */
export class StateTable {
  readonly #statements: Statements;

  constructor(statements: Statements) {
    this.#statements = statements;
  }

  get({ owner: { tenant, source }, key }: OperationOf<'state_get'>): string | null {
    const row = this.#statements.readValue.get(tenant, source, key);
    return row === undefined ? null : (row.json as string);
  }

  set({ owner: { tenant, source }, key, json, quota }: OperationOf<'state_set'>): StateOutcome {
    const { readUsage, readValueBytes, writeValue, changeUsage } = this.#statements;
    const valueBytes = Buffer.byteLength(json);
    if (valueBytes > quota.maxValueBytes) return 'maxValueBytes';
    const bytes = Buffer.byteLength(key) + valueBytes;
    const before = readValueBytes.get(tenant, source, key)?.bytes as number | undefined;
    const usage = readUsage.get(tenant, source);
    const grownKeys = before === undefined ? 1 : 0;
    const grownBytes = bytes - (before ?? 0);
    if (grownKeys > 0 && ((usage?.keys as number | undefined) ?? 0) + grownKeys > quota.maxKeys)
      return 'maxKeys';
    if (grownBytes > 0 && ((usage?.bytes as number | undefined) ?? 0) + grownBytes > quota.maxBytes)
      return 'maxBytes';
    writeValue.run(tenant, source, key, bytes, json);
    changeUsage.run(tenant, source, grownKeys, grownBytes, 0);
    return 'stored';
  }

  delete({ owner: { tenant, source }, key }: OperationOf<'state_delete'>): boolean {
    const { readValueBytes, dropValue, changeUsage } = this.#statements;
    const bytes = readValueBytes.get(tenant, source, key)?.bytes as number | undefined;
    if (bytes === undefined) return false;
    dropValue.run(tenant, source, key);
    changeUsage.run(tenant, source, -1, -bytes, 0);
    return true;
  }
}
