import { GtpackError, type Problem } from '../../errors.ts';
import { parseTenantId } from '../../event/names.ts';
import { NO_GRANTS } from '../../grant/grants.ts';
import type { Pack, PackProvider } from '../../pack/pack.ts';
import type { JobResult } from '../../sandbox/protocol.ts';
import { Sandbox } from '../../sandbox/sandbox.ts';
import type { Transpiler } from '../../sandbox/transpiler.ts';
import { ALONE } from '../check.ts';
import { loneProviderCode } from '../lone-provider.ts';

const TENANT = parseTenantId('doctor');

/** A provider in a real cell with nothing granted, to ask it what it is. */
export class TrialCell {
  readonly #provider: string;
  readonly #sandbox: Sandbox;

  private constructor(provider: string, sandbox: Sandbox) {
    this.#provider = provider;
    this.#sandbox = sandbox;
  }

  /**
   * @returns the cell, and what kept the provider from starting in it
   * @throws GtpackError as linking does
   */
  static async open(
    pack: Pack,
    provider: PackProvider,
    transpiler: Transpiler,
  ): Promise<{ readonly cell: TrialCell; readonly problems: readonly Problem[] }> {
    const code = await loneProviderCode(pack, provider, {
      tenant: TENANT,
      transpiler,
      grants: NO_GRANTS,
      config: null,
    });
    const sandbox = new Sandbox(ALONE);
    sandbox.register(TENANT, code);
    return { cell: new TrialCell(provider.id, sandbox), problems: await startProblems(sandbox) };
  }

  /** @returns JSON text, or why there is none */
  async ask(operation: string): Promise<AskedAnswer> {
    let result: JobResult;
    try {
      result = await this.#sandbox.submit(TENANT, {
        kind: 'invoke',
        provider: this.#provider,
        operation,
        input: '{}',
      });
    } catch (error) {
      if (!(error instanceof GtpackError)) throw error;
      const [{ code, message }] = error.problems;
      return { kind: 'failed', code, message };
    }
    if (result.kind === 'problem') return { kind: 'refused', ...result.problem };
    return result.kind === 'output'
      ? { kind: 'output', json: result.output }
      : { kind: 'failed', code: 'guest_output_invalid', message: `It answered with ${result.kind}.` };
  }

  stop(): Promise<void> {
    return this.#sandbox.stop();
  }
}

async function startProblems(sandbox: Sandbox): Promise<readonly Problem[]> {
  try {
    return await sandbox.prepare(TENANT);
  } catch (error) {
    if (error instanceof GtpackError) return error.problems;
    await sandbox.stop();
    throw error;
  }
}

export type AskedAnswer =
  | { readonly kind: 'output'; readonly json: string }
  /** By a typed error of its own. */
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string };
