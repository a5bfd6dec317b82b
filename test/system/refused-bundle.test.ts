import { readdirSync } from 'node:fs';
import { cp, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadBundle } from '../../host/bundle/load.ts';
import { checkBundle } from '../../host/deploy/check.ts';
import { formatProblem, GtpackError } from '../../host/errors.ts';
import { startHost } from '../../host/host.ts';
import { writeBundle } from './bundle.ts';
import { startHere } from './host-here.ts';
import { post, webhook } from './request.ts';

/** Each a bundle, and the messages that it is refused with. Our own packs are laid into it. */
const golden = new URL('../golden/system/', import.meta.url);
const names = readdirSync(golden).sort();

/** Found only where scripts are compiled, in the cell: such a host starts, and the flow's runs fail. */
const FOUND_IN_THE_CELL = ['helper-that-throws', 'script-syntax'];

async function bundleOf(name: string): Promise<string> {
  const folder = await writeBundle({ yaml: '', packs: ['events-webhook', 'events-timer'] });
  await cp(new URL(name, golden), folder, { recursive: true });
  return folder;
}

const expected = (name: string): Promise<string> => readFile(new URL(`${name}/expected.txt`, golden), 'utf8');

/** What `gtpack check` prints of it. */
async function problemsOf(folder: string): Promise<string> {
  try {
    const { problems } = await checkBundle(await loadBundle(folder));
    return written(problems.map(formatProblem), folder);
  } catch (error) {
    if (!(error instanceof GtpackError)) throw error;
    return written(error.problems.map(formatProblem), folder);
  }
}

function written(lines: readonly string[], folder: string): string {
  return lines.map((line) => `${line.replaceAll(folder, '<bundle>')}\n`).join('');
}

describe('a bundle that is wrong', () => {
  test.each(names)('%s is refused in words that say what, where and how to mend it', async (name) => {
    expect(await problemsOf(await bundleOf(name))).toBe(await expected(name));
  });

  test.each(names.filter((name) => !FOUND_IN_THE_CELL.includes(name)))(
    '%s starts no host, with the same words, and leaves no bus behind',
    async (name) => {
      const folder = await bundleOf(name);
      const starting = loadBundle(folder).then((bundle) => startHost(bundle, { log: () => undefined }));
      const error = await starting.then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      if (!(error instanceof GtpackError)) throw new Error(`It was not refused: ${error}`);
      expect(written(error.message.split('\n'), folder)).toBe(await expected(name));
      await expect(stat(join(folder, '.gtpack', 'bus.sqlite'))).rejects.toThrow('ENOENT');
    },
  );

  test.each(FOUND_IN_THE_CELL)(
    '%s starts, says the same in its log, and buries the events of that flow',
    async (name) => {
      const folder = await bundleOf(name);
      const { url, bus, lines } = await startHere(folder, '0');
      const { status, json } = await post(webhook(url, 'demo', 'order.created'), {});
      expect(status).toBe(202);
      expect((await bus.deadLetter(json.id)).json.reason).toContain('script_');
      const dead = `The event ${json.id} is in the dead letters: `;
      const errors = (): string[] =>
        lines.filter(({ level }) => level === 'error').map(({ message }) => message);
      await expect.poll(() => errors().filter((message) => message.startsWith(dead)).length).toBe(1);
      const logged = errors().filter((message) => !message.startsWith(dead));
      // But for the folder: what a tenant may come to read names files by where they lie in the bundle.
      expect(written(logged, folder)).toBe((await expected(name)).replaceAll('<bundle>/', ''));
    },
  );
});
