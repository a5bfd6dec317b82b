import type { Command } from 'commander';
import { keygen } from './command/keygen.ts';
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

/** The commands of those who make packs. */
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
    .command('keygen')
    .description("make a publisher's key pair: FILE, and FILE.pub for operators")
    .argument('<FILE>', 'where the private key goes')
    .option('--json', 'one JSON document')
    .action((file: string, { json = false }: JsonOption) => {
      once(json, () => keygen(world, rooms, file, { json }));
    });
}
