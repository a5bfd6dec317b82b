import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Command, CommanderError } from 'commander';
import { GtpackError } from '../errors.ts';
import { sdkFolder } from '../pack/sdk-folder.ts';
import { type AuditFilterWords, audit } from './command/audit.ts';
import { check } from './command/check.ts';
import { emit } from './command/emit.ts';
import { quarantineList, quarantineRelease } from './command/quarantine.ts';
import { tail } from './command/tail.ts';
import { timers } from './command/timers.ts';
import { up } from './command/up.ts';
import { errorJson, noteError, printJson } from './output.ts';
import { addPackCommands } from './pack-commands.ts';
import { addRecordCommands } from './record-commands.ts';
import { hostRooms, type Rooms } from './rooms.ts';
import { type CliWorld, stopped, stoppedStatus } from './world.ts';

/** Exit statuses: done, refused or failed, wrong usage. */
const DONE = 0;
const FAILED = 1;
const WRONG_USAGE = 2;

/** What a command is asked to do, once its words were understood. */
interface Invocation {
  readonly work: () => Promise<number>;
  /** It ends by itself when it is told to stop. */
  readonly endsItself: boolean;
  /** An error is a JSON document on stdout as well. */
  readonly json: boolean;
}

/**
 * Runs one command line. Never rejects.
 * @param argv without the program's own name
 * @returns the exit status
 */
export async function run(
  argv: readonly string[],
  world: CliWorld,
  rooms: Rooms = hostRooms,
): Promise<number> {
  let invocation: Invocation | undefined;
  const program = await commandLine(world, rooms, (invoked) => {
    invocation = invoked;
  });
  try {
    program.parse([...argv], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return usageStatus(error);
    await noteError(world, error);
    return FAILED;
  }
  return invocation === undefined ? WRONG_USAGE : await perform(world, invocation);
}

async function perform(world: CliWorld, { work, endsItself, json }: Invocation): Promise<number> {
  try {
    const done = work();
    if (endsItself) return await done;
    return await Promise.race([done, stopped(world).then(stoppedStatus)]);
  } catch (error) {
    await noteError(world, error);
    if (json) await printJson(world, errorJson(error));
    return error instanceof GtpackError && error.code === 'option_invalid' ? WRONG_USAGE : FAILED;
  }
}

function usageStatus({ code }: CommanderError): number {
  return code === 'commander.helpDisplayed' || code === 'commander.version' ? DONE : WRONG_USAGE;
}

interface JsonOption {
  readonly json?: true;
}
interface AuditWords extends JsonOption, AuditFilterWords {
  readonly follow?: true;
}
interface TimersWords extends JsonOption, BundleOption {
  readonly tenant?: string;
  readonly next?: string;
}
interface UpWords {
  readonly listen?: string;
  readonly instance?: string;
  readonly log?: string;
}
interface BundleOption {
  readonly bundle?: string;
}

async function commandLine(
  world: CliWorld,
  rooms: Rooms,
  invoke: (invocation: Invocation) => void,
): Promise<Command> {
  const once = (json: boolean, work: () => Promise<number>): void =>
    invoke({ work, endsItself: false, json });
  const program = new Command('gtpack')
    .description('A host for .gtpack archives: sandboxed event providers, flows, and a durable bus.')
    .version(await version())
    .exitOverride()
    .configureOutput({
      writeOut: (text) => world.stdout.write(text),
      writeErr: (text) => world.stderr.write(text),
    })
    .showHelpAfterError('Run it with --help to see what it takes.');

  program
    .command('up')
    .description('run a bundle until it is stopped')
    .argument('[BUNDLE]', 'folder or file; default: this folder, else bundles/demo')
    .option('--listen <HOST:PORT>', 'listen there instead of where the bundle says')
    .option(
      '--instance <NAME>',
      'what tells it from other hosts of its env; default: the machine and a random part',
    )
    .option('--log <FORMAT>', 'text, or json: a line of JSON each', 'text')
    .action((bundle: string | undefined, { listen, instance, log }: UpWords) => {
      invoke({
        work: () => up(world, rooms, { bundle, listen, instance, log }),
        endsItself: true,
        json: false,
      });
    });
  program
    .command('check')
    .description('report every problem of a bundle, its packs and its flows')
    .argument('[BUNDLE]', 'folder or file; default: this folder, else bundles/demo')
    .option('--json', 'one JSON document')
    .action((bundle: string | undefined, { json = false }: { readonly json?: boolean }) => {
      once(json, () => check(world, rooms, { bundle, json }));
    });
  program
    .command('tail')
    .description('show the events, results and dead letters of a running host as they pass')
    .option('--bundle <DIR>', 'the bundle that the host runs')
    .option('--tenant <TENANT>', 'of this tenant only')
    .option('--json', 'one JSON document a line')
    .action(({ bundle, tenant, json }: BundleOption & JsonOption & { readonly tenant?: string }) => {
      const work = (): Promise<number> => tail(world, { bundle, tenant, json: json === true });
      invoke({ work, endsItself: true, json: false });
    });
  program
    .command('audit')
    .description('show what providers and flows did, and what they were denied')
    .argument('[BUNDLE]', 'folder or file; default: this folder, else bundles/demo')
    .option('--tenant <TENANT>', 'of this tenant only')
    .option('--provider <ID>', 'of this provider only')
    .option('--decision <DECISION>', 'done, denied or failed')
    .option('--since <TIME>', 'a duration such as 2h, or an instant in ISO 8601')
    .option('--limit <COUNT>', 'the newest so many')
    .option('--follow', 'go on with what comes')
    .option('--json', 'one JSON document a line')
    .action((bundle: string | undefined, options: AuditWords) => {
      const { json = false, follow = false, ...filter } = options;
      const work = (): Promise<number> => audit(world, { ...filter, bundle, json, follow });
      invoke({ work, endsItself: follow, json });
    });
  program
    .command('emit')
    .description('publish one event on a running host')
    .argument('<TENANT>')
    .argument('<TYPE>', 'such as order.created')
    .option('--payload <JSON>', 'the payload; - reads it from stdin', '{}')
    .option('--bundle <DIR>', 'the bundle that the host runs')
    .option('--json', 'one JSON document')
    .action(
      (
        tenant: string,
        type: string,
        { payload, bundle, json }: BundleOption & JsonOption & { readonly payload: string },
      ) => {
        once(json === true, () => emit(world, tenant, type, { bundle, payload, json: json === true }));
      },
    );
  program
    .command('timers')
    .description(
      'show the next instants of every schedule, and the timers of providers, whether a host runs or not',
    )
    .option('--bundle <DIR>', 'the bundle; default: this folder, else bundles/demo')
    .option('--tenant <TENANT>', 'of this tenant only')
    .option('--next <COUNT>', 'so many instants of each schedule, 1 to 100; default 3')
    .option('--json', 'one JSON document')
    .action(({ json, ...words }: TimersWords) => {
      once(json === true, () => timers(world, rooms, { ...words, json: json === true }));
    });
  const quarantine = program
    .command('quarantine')
    .description('see and release what a running host holds back for costing its cell too often');
  quarantine
    .command('list')
    .description('show what is held, for how long, and why')
    .option('--bundle <DIR>', 'the bundle that the host runs')
    .option('--json', 'one JSON document')
    .action(({ bundle, json }: BundleOption & JsonOption) => {
      once(json === true, () => quarantineList(world, { bundle, json: json === true }));
    });
  quarantine
    .command('release')
    .description('let a provider or flow go at once')
    .argument('<TENANT>')
    .argument('<SOURCE>', "a provider's id, or flow:NAME")
    .option('--bundle <DIR>', 'the bundle that the host runs')
    .option('--json', 'one JSON document')
    .action((tenant: string, source: string, { bundle, json }: BundleOption & JsonOption) => {
      once(json === true, () => quarantineRelease(world, tenant, source, { bundle, json: json === true }));
    });
  program
    .command('schema')
    .description('print the JSON Schema of a kind of file, for editors')
    .argument('<KIND>', 'bundle, flow or pack')
    .action((kind: string) => {
      once(false, async () => (await import('./command/schema.ts')).schema(world, kind));
    });
  addRecordCommands(program, world, once);
  addPackCommands(program, { world, rooms, once });
  return program;
}

async function version(): Promise<string> {
  const { version } = JSON.parse(await readFile(join(dirname(sdkFolder), 'package.json'), 'utf8'));
  return String(version);
}
