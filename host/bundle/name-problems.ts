import { errorMessage, type Problem } from '../errors.ts';
import { isToken, parseTenantId, quoted } from '../event/names.ts';
import type { Path, YamlFile } from '../yaml.ts';

/** What stands at the top of the file and is the default tenant's. */
const TOP_KEYS = ['providers', 'flows', 'grants', 'secrets'];

/** What is wrong with the names that a bundle file gives to tenants and providers, at the names themselves. */
export function nameProblems(yaml: YamlFile): Problem[] {
  const problems: Problem[] = [];
  const report = (path: Path, message: string): void => {
    problems.push({ code: 'bundle_invalid', message, file: yaml.file, ...yaml.atKey(path) });
  };
  const checkProviders = (tenant: unknown, path: Path): void => {
    for (const id of keysOf(tenant, 'providers')) {
      if (!isToken(id)) report([...path, 'providers', id], providerFault(id));
    }
  };
  checkProviders(yaml.value, []);
  for (const id of keysOf(yaml.value, 'tenants')) {
    const path = ['tenants', id];
    try {
      parseTenantId(id);
    } catch (error) {
      report(path, errorMessage(error));
    }
    if (id === 'default' && TOP_KEYS.some((key) => has(yaml.value, key))) {
      report(
        path,
        'The tenant "default" is here and at the top of the file, where providers, flows, grants and secrets are its own. Keep one of the two.',
      );
    }
    checkProviders(under(under(yaml.value, 'tenants'), id), path);
  }
  return problems;
}

function providerFault(id: string): string {
  return `The provider ${quoted(id)} is not one token of a to z, 0 to 9, _ and -, starting with a letter or digit, at most 63 long.`;
}

function under(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  return Reflect.get(value, key);
}

function has(value: unknown, key: string): boolean {
  return under(value, key) !== undefined;
}

/** Keys of the mapping under `key`, but for `__proto__`, which is refused wherever it stands. */
function keysOf(value: unknown, key: string): string[] {
  const inner = under(value, key);
  if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return [];
  return Object.keys(inner).filter((name) => name !== '__proto__');
}
