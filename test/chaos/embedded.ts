import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { printed } from '../system/host-process.ts';
import type { BusUnderTest } from './bus-under-test.ts';
import { ThreadEnder } from './inspector.ts';
import type { EffectName } from './vendor.ts';

/** The bus in a file: it runs in a thread of the main process, which is ended in the middle of whatever it does. */
export const embedded: BusUnderTest = {
  section: undefined,
  nodeOptions: ['--inspect-port=0'],
  prepareEnd: async ({ child }) => {
    child.kill('SIGUSR1');
    const [, url = ''] = await printed(child, /Debugger listening on (ws:\S+)/);
    const ender = await ThreadEnder.attach(url);
    return {
      now: async () => {
        const ended = await ender.end();
        ender.close();
        if (ended !== 1) throw new Error(`The host had ${ended} threads; expected the one of the bus.`);
      },
      restore: undefined,
    };
  },
  recorded: (folder) => Promise.resolve(recordedIn(join(folder, '.gtpack', 'bus.sqlite'))),
  close: () => Promise.resolve(),
};

/** Looks at a copy: the next host is to find the file as the dead one left it. */
function recordedIn(file: string): EffectName[] {
  if (!existsSync(file)) return [];
  const folder = mkdtempSync(join(tmpdir(), 'gtpack-chaos-'));
  try {
    const copy = join(folder, 'bus.sqlite');
    for (const ending of ['', '-wal'])
      if (existsSync(`${file}${ending}`)) copyFileSync(`${file}${ending}`, `${copy}${ending}`);
    const database = new DatabaseSync(copy);
    try {
      const entries = database
        .prepare('SELECT entry FROM journal UNION ALL SELECT value FROM runs, json_each(journal_json)')
        .all();
      return entries.flatMap(({ entry }) => effectsOf(JSON.parse(String(entry))));
    } finally {
      database.close();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface Entry {
  readonly status: string;
  readonly output?: { readonly body?: { readonly effect?: EffectName } };
}

export function effectsOf({ status, output }: Entry): EffectName[] {
  const effect = output?.body?.effect;
  return status === 'ok' && effect !== undefined ? [effect] : [];
}
