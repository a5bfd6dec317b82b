import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import * as z from 'zod';
import { type EnvName, parseEnvName } from '../event/names.ts';
import { duration } from '../written/readers.ts';
import { parseYamlShape, readYaml } from '../yaml.ts';
import type { BusOptions } from './bundle.ts';
import { busShape, DEFAULT_BUS } from './bus-shape.ts';
import { throwProblems } from './problems.ts';
import { readBus } from './read-bus.ts';
import type { Environment, SecretsPlace } from './read-secrets.ts';
import { MAX_BUNDLE_BYTES, readTextFile } from './text-file.ts';

const BUNDLE_FILE = 'bundle.yaml';
const DAY_MS = 86_400_000;

/** The bus of a bundle, and the env that it is kept for. */
export interface KeptBus {
  readonly env: EnvName;
  readonly bus: BusOptions;
  readonly dedupeWindowMs: number;
}

/** All that is read here; what else a bundle says may be wrong. */
const shape = z.looseObject({
  env: z.string().optional().default('dev'),
  bus: busShape.optional().default(DEFAULT_BUS),
  dedupe_window: duration(1000, 90 * DAY_MS)
    .optional()
    .default(DAY_MS),
});

/**
 * Where the host of a bundle keeps its bus, by as little of the bundle as that takes: dead letters have to be readable
 * when the bundle, its packs or its secrets are not what they should be.
 * @param path of the bundle's folder or file
 * @throws GtpackError `file_unreadable`, `yaml_invalid`, `bundle_invalid`, `env_invalid`, `secret_unavailable`
 */
export async function keptBusOf(path: string, environment: Environment): Promise<KeptBus> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const file = isFolder ? join(path, BUNDLE_FILE) : path;
  const yaml = readYaml((await readTextFile(file, MAX_BUNDLE_BYTES)) ?? '', file, MAX_BUNDLE_BYTES);
  const written = parseYamlShape(
    { file, value: yaml.value ?? {}, at: (at) => yaml.at(at), atKey: (at) => yaml.atKey(at) },
    shape,
    'bundle_invalid',
  );
  const place: SecretsPlace = {
    ...{ yaml, dir: dirname(resolve(file)), environment },
    ...{ problems: [], warnings: [] },
  };
  const bus = await readBus(written.bus, written.dedupe_window, place);
  throwProblems(place.problems);
  return { env: parseEnvName(written.env), bus, dedupeWindowMs: written.dedupe_window };
}
