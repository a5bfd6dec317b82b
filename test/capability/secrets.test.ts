import { describe, expect, test } from 'vitest';
import { SecretsCapability } from '../../host/capability/secrets.ts';
import { GtpackError } from '../../host/errors.ts';
import { parseTenantId } from '../../host/event/names.ts';
import { NO_GRANTS } from '../../host/grant/grants.ts';
import { Secret } from '../../host/grant/secret.ts';

const values: Readonly<Record<string, string>> = {
  'acme/KEY': 'of "acme"\n',
  'globex/KEY': 'of-globex',
  'acme/OTHER': 'x',
};
const capability = new SecretsCapability(
  (tenant, name) => new Secret(name, values[`${tenant}/${name}`] ?? ''),
);

async function get(name: string, granted: readonly string[] | null, tenant = 'acme') {
  const reached: string[] = [];
  const answer = await capability
    .perform({
      tenant: parseTenantId(tenant),
      source: 'hook',
      grants: { ...NO_GRANTS, secrets: granted === null ? null : new Set(granted) },
      fn: 'get',
      args: [name],
      events: [],
      journal: [],
      signal: new AbortController().signal,
      reaches: (target) => reached.push(target),
    })
    .catch((error: unknown) => error);
  return { answer, reached };
}

describe('secrets.get', () => {
  test('gives a granted secret of the caller’s own tenant, as JSON', async () => {
    expect((await get('KEY', ['KEY'])).answer).toEqual({ kind: 'ok', json: '"of \\"acme\\"\\n"' });
    expect((await get('KEY', ['KEY'], 'globex')).answer).toEqual({ kind: 'ok', json: '"of-globex"' });
  });

  test('denies what is not granted in the same words, whether it is there or not', async () => {
    const texts: string[] = [];
    for (const name of ['OTHER', 'NOBODY']) {
      const { answer } = await get(name, ['KEY']);
      if (!(answer instanceof GtpackError)) throw new Error('it was not denied');
      expect(answer.code).toBe('capability_denied');
      texts.push(answer.message.replaceAll(name, 'NAME'));
    }
    expect(texts[0]).toBe(texts[1]);
    expect((await get('KEY', null)).answer).toMatchObject({ code: 'capability_denied' });
  });

  test('tells the operator the grant that would allow it', async () => {
    const { answer } = await get('OTHER', ['KEY']);
    expect(String(answer)).toContain('add to the grants of hook in the bundle: secrets: [OTHER]');
  });

  test('names in the audit log what was asked for, unless it is no name', async () => {
    expect((await get('KEY', ['KEY'])).reached).toEqual(['KEY']);
    expect((await get('OTHER', ['KEY'])).reached).toEqual(['OTHER']);
    expect((await get('a text of the guest’s', ['KEY'])).reached).toEqual([]);
    expect((await get('__proto__', ['KEY'])).answer).toMatchObject({ code: 'capability_denied' });
  });
});
