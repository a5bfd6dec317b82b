import { setTimeout as delay } from 'node:timers/promises';
import { auditFileOf } from '../../bundle/audit-shape.ts';
import { readAudit } from '../../observe/audit-reader.ts';
import { type AuditFilter, type AuditFilterWords, auditFilter } from '../audit-filter.ts';
import { chooseBundle } from '../bundle-choice.ts';
import { note, plain, print } from '../output.ts';
import type { CliWorld } from '../world.ts';

export type { AuditFilterWords } from '../audit-filter.ts';

export interface AuditCommandOptions extends AuditFilterWords {
  readonly bundle: string | undefined;
  readonly follow: boolean;
  readonly json: boolean;
}

const LOOK_EVERY_MS = 250;

/**
 * Shows the audit log of a bundle, whether a host runs it or not.
 * @throws GtpackError `audit_unreadable`, `option_invalid`
 */
export async function audit(world: CliWorld, options: AuditCommandOptions): Promise<number> {
  const filter = auditFilter(options, world.now());
  const file = await auditFileOf(await chooseBundle(world, options.bundle));
  const page = new Page(world, options.json, filter.limit);
  const more = async (): Promise<boolean> => {
    await page.flush();
    await delay(LOOK_EVERY_MS, undefined, { signal: world.stop }).catch(() => undefined);
    return !world.stop.aborted;
  };
  let unreadable = 0;
  let shownCount = 0;
  for await (const line of readAudit(options.follow ? { file, more } : { file })) {
    if (world.stop.aborted) break;
    const entry = filter.read(line);
    if (entry === 'unreadable') unreadable += 1;
    else if (entry !== 'other') {
      shownCount += 1;
      await page.add(options.json ? line : shown(entry));
    }
  }
  await page.flush();
  if (shownCount === 0 && !options.follow) await note(world, 'There are no such records.');
  if (unreadable > 0) await note(world, `${unreadable} lines could not be read and were left out.`);
  return 0;
}

/** Prints lines as they come, or only the last ones once they are known to be the last. */
class Page {
  readonly #world: CliWorld;
  readonly #limit: number | undefined;
  #held: string[] = [];
  #holds: boolean;
  #head: string | undefined;

  constructor(world: CliWorld, json: boolean, limit: number | undefined) {
    this.#world = world;
    this.#limit = limit;
    this.#holds = limit !== undefined;
    this.#head = json ? undefined : row(['time', 'tenant', 'who', 'effect', 'decision', 'ms', 'target']);
  }

  async add(line: string): Promise<void> {
    if (!this.#holds) return this.#print([line]);
    this.#held.push(line);
    // Rarely, since it costs as much as there is.
    if (this.#held.length > 2 * (this.#limit ?? 0)) this.#held = this.#held.slice(-(this.#limit ?? 0));
  }

  /** All that there was is known; what comes from now on is new. */
  async flush(): Promise<void> {
    this.#holds = false;
    const lines = this.#held.slice(-(this.#limit ?? 0));
    this.#held = [];
    if (lines.length > 0) await this.#print(lines);
  }

  async #print(lines: readonly string[]): Promise<void> {
    const head = this.#head;
    this.#head = undefined;
    await print(this.#world, ...(head === undefined ? lines : [head, ...lines]));
  }
}

const WIDTHS = [24, 12, 20, 14, 24, 8];

function row(cells: readonly string[]): string {
  return cells
    .map((cell, at) => cell.padEnd(WIDTHS[at] ?? 0))
    .join('  ')
    .trimEnd();
}

function shown(entry: Exclude<ReturnType<AuditFilter['read']>, string>): string {
  if (entry.kind === 'dropped') {
    return row([plain(entry.time), '', '', '', `${entry.count} records were dropped before the next one`]);
  }
  const { time, tenant, provider, flow, capability, fn, decision, code, duration_ms, target } = entry.line;
  const who = provider ?? `flow:${flow}`;
  const how = code === null || code === 'capability_denied' ? decision : `${decision} ${code}`;
  return row([time, tenant, who, `${capability}.${fn}`, how, String(duration_ms), target].map(plain));
}
