import type { Command } from 'commander';
import { call } from './command/call.ts';
import { doctor } from './command/doctor.ts';
import { installPack } from './command/install.ts';
import { keygen } from './command/keygen.ts';
import { newSource } from './command/new.ts';
import { packBuild } from './command/pack-build.ts';
import { packInspect } from './command/pack-inspect.ts';
import { packSign } from './command/pack-sign.ts';
import { packVerify } from './command/pack-verify.ts';
import type { Rooms } from './rooms.ts';
import type { CliWorld } from './world.ts';

export interface CommandTools {
  readonly world: CliWorld;
  readonly rooms: Rooms;
  /** Runs a command that ends once its work is done; with `json`, an error is a JSON document on stdout as well. */
  readonly once: (json: boolean, work: () => Promise<number>) => void;
}

interface JsonOption {
  readonly json?: boolean;
}

interface CallArguments extends JsonOption {
  readonly input: string;
  readonly component?: string;
  readonly grant?: readonly string[];
  readonly secret?: readonly string[];
  readonly state?: string;
  readonly config: string;
  readonly stubHttp?: boolean;
}

interface InstallArguments extends JsonOption {
  readonly bundle?: string;
  readonly tenant: string;
  readonly provider?: string;
  readonly grant?: readonly string[];
  readonly trustSigner?: boolean;
  readonly allowUnsigned?: boolean;
  readonly yes?: boolean;
}

/** The commands of those who make packs, and of those who install them. */
export function addPackCommands(program: Command, { world, rooms, once }: CommandTools): void {
  const pack = program.command('pack').description('build packs, sign them, and look into them');
  pack
    .command('build')
    .description('build each folder into <folder>.gtpack')
    .argument('<DIR...>', 'folders with a pack.yaml')
    .option('--out <DIR>', 'where the packs go; default: this folder')
    .option('--sign <KEY>', 'sign them with this private key')
    .option('--if-changed', 'leave out packs that would come out the same')
    .option('--json', 'one JSON document')
    .action(
      (
        dirs: readonly string[],
        given: JsonOption & { readonly out?: string; readonly sign?: string; readonly ifChanged?: boolean },
      ) => {
        const { out, sign, ifChanged = false, json = false } = given;
        once(json, () => packBuild(world, rooms, dirs, { out, sign, ifChanged, json }));
      },
    );
  pack
    .command('inspect')
    .description('report what a pack holds, and whether this host takes it')
    .argument('<FILE>', 'a .gtpack')
    .option('--json', 'one JSON document')
    .action((file: string, { json = false }: JsonOption) => {
      once(json, () => packInspect(world, rooms, file, { json }));
    });
  pack
    .command('sign')
    .description('sign a pack, in place of the signature that it has')
    .argument('<FILE>', 'a .gtpack')
    .requiredOption('--key <KEY>', 'the private key')
    .option('--out <FILE>', 'write the signed pack there instead of replacing it')
    .option('--json', 'one JSON document')
    .action(
      (
        file: string,
        { key, out, json = false }: JsonOption & { readonly key: string; readonly out?: string },
      ) => {
        once(json, () => packSign(world, rooms, file, { key, out, json }));
      },
    );
  pack
    .command('verify')
    .description("check a pack's files and signature, and whether its signer is trusted")
    .argument('<FILE>', 'a .gtpack')
    .requiredOption('--trust <KEY...>', 'public keys, one of which has to have signed it')
    .option('--json', 'one JSON document')
    .action((file: string, { trust, json = false }: JsonOption & { readonly trust: readonly string[] }) => {
      once(json, () => packVerify(world, rooms, file, { trust, json }));
    });
  program
    .command('new')
    .description('make the source of a pack to begin with')
    .argument('<DIR>', 'its folder, which it is named after')
    .option('--language <LANGUAGE>', 'assemblyscript or typescript', 'assemblyscript')
    .option('--json', 'one JSON document')
    .action((dir: string, { language, json = false }: JsonOption & { readonly language: string }) => {
      once(json, () => newSource(world, rooms, dir, { language, json }));
    });
  program
    .command('call')
    .description('call one operation of a pack or of a bare .wasm, without a host')
    .argument('<FILE>', 'a .gtpack or a .wasm')
    .argument('<OPERATION>', 'ingest, tick, one of its operations, or invoke and the operation')
    .argument('[NAME]', 'the operation, after invoke')
    .option('--input <JSON>', 'the input; - reads it from stdin', '{}')
    .option('--component <ID>', 'which of its providers, where it has several')
    .option(
      '--grant <GRANT...>',
      'what it may reach: http=HOST (* for any), bus=TYPE, timers=TYPE, state, secrets=NAME; sendgrid and twilio as YAML',
    )
    .option('--secret <NAME=VALUE...>', 'a secret that it may read')
    .option('--state <FILE>', 'a JSON file with what is in its store; written after the call')
    .option('--config <JSON>', 'what its config is', 'null')
    .option(
      '--stub-http',
      'answer every granted request with 200 and {"ok":true}, email and messages as their vendors do',
    )
    .option('--json', 'one JSON document')
    .action((file: string, operation: string, name: string | undefined, given: CallArguments) => {
      const {
        input,
        component,
        grant = [],
        secret = [],
        state,
        config,
        stubHttp = false,
        json = false,
      } = given;
      once(json, () =>
        call(world, rooms, file, [operation, name], {
          input,
          provider: component,
          grants: grant,
          secrets: secret,
          stateFile: state,
          config,
          stubHttp,
          json,
        }),
      );
    });
  program
    .command('doctor')
    .description('say what of a pack, a component or a bundle would go wrong at run time')
    .argument(
      '[FILE]',
      'a .gtpack, a .wasm, or a bundle; default: the bundle of this folder, else bundles/demo',
    )
    .option('--json', 'one JSON document')
    .action((file: string | undefined, { json = false }: JsonOption) => {
      once(json, () => doctor(world, rooms, file, { json }));
    });
  program
    .command('install')
    .description('show what a pack asks for, and put it into a bundle')
    .argument('<FILE>', 'a .gtpack')
    .option('--bundle <BUNDLE>', 'folder or file; default: this folder, else bundles/demo')
    .option('--tenant <TENANT>', 'the tenant that it is installed for', 'default')
    .option('--provider <ID>', 'what the bundle calls the provider; default: what the pack calls it')
    .option(
      '--grant <GRANT...>',
      'what it may reach: http=HOST, bus=TYPE, timers=TYPE, state, secrets=NAME; sendgrid and twilio as YAML',
    )
    .option('--trust-signer', "add the signer to the bundle's trust")
    .option('--allow-unsigned', 'let it run whoever signed it, or nobody')
    .option('--yes', 'ask nothing')
    .option('--json', 'one JSON document')
    .action((file: string, given: InstallArguments) => {
      const { json = false, grant = [], trustSigner = false, allowUnsigned = false, yes = false } = given;
      const { bundle, tenant, provider } = given;
      once(json, () =>
        installPack(world, rooms, file, {
          bundle,
          tenant,
          provider,
          grants: grant,
          trustSigner,
          allowUnsigned,
          yes,
          json,
        }),
      );
    });
  program
    .command('keygen')
    .description("make a publisher's key pair: FILE, and FILE.pub for operators")
    .argument('<FILE>', 'where the private key goes')
    .option('--json', 'one JSON document')
    .action((file: string, { json = false }: JsonOption) => {
      once(json, () => keygen(world, rooms, file, { json }));
    });
}
