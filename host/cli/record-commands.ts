import type { Command } from 'commander';
import { busCheck } from './command/bus-check.ts';
import { dlqDrop, dlqList, dlqReplay, dlqShow } from './command/dlq.ts';
import { runsList, runsShow } from './command/runs.ts';
import type { LetterWords } from './letter-choice.ts';
import type { CliWorld } from './world.ts';

/** A command that ends; an error of one with `json` is a JSON document as well. */
export type Once = (json: boolean, work: () => Promise<number>) => void;

interface CommonWords {
  readonly bundle?: string;
  readonly json?: true;
}
type ListWords = CommonWords & LetterWords & { readonly limit?: string };
type ManyWords = CommonWords & LetterWords & { readonly all?: true };
type RunWords = CommonWords &
  Readonly<Partial<Record<'tenant' | 'flow' | 'status' | 'event' | 'limit', string>>>;

/** What operators do with what has passed: dead letters and finished runs. */
export function addRecordCommands(program: Command, world: CliWorld, once: Once): void {
  const dlq = program
    .command('dlq')
    .description('see, replay and drop dead letters, whether a host runs or not');
  const filtered = (command: Command): Command =>
    command
      .option('--tenant <TENANT>', 'of this tenant only')
      .option('--type <TYPE>', 'events of this type only')
      .option('--since <TIME>', 'died since then: a duration such as 2h, or an instant in ISO 8601');
  const common = (command: Command): Command =>
    command
      .option('--bundle <DIR>', 'the bundle; default: this folder, else bundles/demo')
      .option('--json', 'one JSON document');

  common(
    filtered(dlq.command('list').description('show dead letters, the newest first')).option(
      '--limit <COUNT>',
      'the newest so many; default 50',
    ),
  ).action(({ json, ...words }: ListWords) => {
    once(json === true, () => dlqList(world, { ...words, json: json === true }));
  });
  common(
    dlq
      .command('show')
      .description('show a dead event whole: reason, payload, runs and their journals')
      .argument('<ID>')
      .option('--tenant <TENANT>', 'of this tenant'),
  ).action((id: string, { json, ...words }: CommonWords & LetterWords) => {
    once(json === true, () => dlqShow(world, id, { ...words, json: json === true }));
  });
  common(
    filtered(
      dlq
        .command('replay')
        .description('publish dead events again: their runs go on after what their journals recorded')
        .argument('[ID...]')
        .option('--all', 'all of them, or all that the other options leave')
        .option('--from-start', 'forget the journals: every effect is done again'),
    ),
  ).action((ids: string[], { json, all, fromStart, ...words }: ManyWords & { readonly fromStart?: true }) => {
    const options = { ...words, json: json === true, all: all === true, fromStart: fromStart === true };
    once(json === true, () => dlqReplay(world, ids, options));
  });
  common(
    filtered(
      dlq
        .command('drop')
        .description('forget dead events and their journals for good')
        .argument('[ID...]')
        .option('--all', 'all of them, or all that the other options leave'),
    ),
  ).action((ids: string[], { json, all, ...words }: ManyWords) => {
    once(json === true, () => dlqDrop(world, ids, { ...words, json: json === true, all: all === true }));
  });

  program
    .command('bus')
    .description("a bundle's store")
    .command('check')
    .description('look through the store of a bundle that no host runs')
    .argument('[BUNDLE]', 'folder or file; default: this folder, else bundles/demo')
    .option('--json', 'one JSON document')
    .action((bundle: string | undefined, { json }: CommonWords) => {
      once(json === true, () => busCheck(world, { bundle, json: json === true }));
    });

  const runs = program.command('runs').description('see finished runs, whether a host runs or not');
  common(
    runs
      .command('list')
      .description('show finished runs, the newest first')
      .option('--tenant <TENANT>', 'of this tenant only')
      .option('--flow <NAME>', 'of this flow only')
      .option('--status <STATUS>', 'ok or error')
      .option('--event <ID>', 'of this event only')
      .option('--limit <COUNT>', 'the newest so many; default 50'),
  ).action(({ json, ...words }: RunWords) => {
    once(json === true, () => runsList(world, { ...words, json: json === true }));
  });
  common(
    runs
      .command('show')
      .description('show a run node by node: when, how long, what came in and out, its effects')
      .argument('<RUN>'),
  ).action((run: string, { json, ...words }: CommonWords) => {
    once(json === true, () => runsShow(world, run, { ...words, json: json === true }));
  });
}
