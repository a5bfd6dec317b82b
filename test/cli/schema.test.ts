import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { SCHEMA_KINDS, type SchemaKind, schemaText } from '../../host/cli/file-schemas.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

function published(kind: SchemaKind): string {
  return readFileSync(`${root}docs/schema/${kind}.json`, 'utf8');
}

/** What the published schema says against a file; undefined where nothing. */
function faultOf(kind: SchemaKind, text: string): string | undefined {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  const validate = ajv.compile(JSON.parse(published(kind)));
  return validate(parse(text)) ? undefined : ajv.errorsText(validate.errors);
}

function filesOf(...patterns: readonly string[]): string[] {
  const files = patterns.flatMap((pattern) =>
    globSync(pattern, { cwd: root, exclude: ['**/node_modules/**'] }),
  );
  expect(files).not.toEqual([]);
  return files;
}

test.each(SCHEMA_KINDS)('docs/schema has the schema of a %s as it is generated', (kind) => {
  expect(published(kind)).toBe(`${schemaText(kind)}\n`);
});

describe('the published schema', () => {
  const sound = {
    bundle: () => filesOf('bundles/*/bundle.yaml'),
    flow: () => filesOf('bundles/**/*.ygtc', 'packs/**/*.ygtc', 'test/guests/**/*.ygtc'),
    pack: () => filesOf('packs/*/pack.yaml', 'test/guests/*/pack.yaml'),
  };
  test.each(SCHEMA_KINDS)('takes every %s of this repository', (kind) => {
    for (const file of sound[kind]()) {
      expect(faultOf(kind, readFileSync(root + file, 'utf8')), file).toBeUndefined();
    }
  });

  test.each<[SchemaKind, string]>([
    ['bundle', 'bundle/unknown-key/bundle.yaml'],
    ['bundle', 'bundle/missing-values/bundle.yaml'],
    ['bundle', 'bundle/bad-grants/bundle.yaml'],
    ['bundle', 'bundle/bad-flow-grants/bundle.yaml'],
    ['bundle', 'bundle/bad-signatures/bundle.yaml'],
    ['flow', 'flow/unknown-key.ygtc'],
    ['flow', 'flow/unknown-node-type.ygtc'],
    ['flow', 'flow/missing-everything.ygtc'],
    ['flow', 'flow/timer-keys.ygtc'],
    ['flow', 'flow/http-faults.ygtc'],
    ['flow', 'flow/wrong-types.ygtc'],
  ])('refuses, as a %s, %s', (kind, file) => {
    expect(faultOf(kind, readFileSync(`${root}test/golden/${file}`, 'utf8'))).toBeDefined();
  });

  test('knows how durations and sizes are written', () => {
    expect(faultOf('bundle', 'dedupe_window: 24h')).toBeUndefined();
    expect(faultOf('bundle', 'dedupe_window: 24 hours')).toMatch(/dedupe_window must match pattern/);
    expect(faultOf('bundle', 'http: { max_body: 1MB }')).toMatch(/max_body must match pattern/);
  });

  test('refuses the keys of another type of node', () => {
    const flow = (node: string) =>
      `{ name: a, version: "1", nodes: [${node}], triggers: [{ type: event, event_type: a.b, target: a }] }`;
    expect(faultOf('flow', flow('{ id: a, type: transform, config: { value: 1 } }'))).toBeUndefined();
    expect(faultOf('flow', flow('{ id: a, type: transform, config: { script: "1" } }'))).toBeDefined();
    expect(faultOf('flow', flow('{ id: a, type: transform }'))).toMatch(/required property 'config'/);
  });
});
