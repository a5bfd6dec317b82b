import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, afterEach, expect } from 'vitest';
import { Broker, type EffectRecord } from '../../host/capability/broker.ts';
import type { Capability } from '../../host/capability/capability.ts';
import { HttpCapability } from '../../host/capability/http.ts';
import { SendgridCapability } from '../../host/capability/sendgrid.ts';
import { TwilioCapability } from '../../host/capability/twilio.ts';
import type { TenantId } from '../../host/event/names.ts';
import { type Grants, NO_GRANTS } from '../../host/grant/grants.ts';
import { Secret } from '../../host/grant/secret.ts';
import type { SandboxOptions } from '../../host/sandbox/sandbox.ts';

export interface WorldOptions {
  /** Certificates of authorities (PEM) in place of the system's. */
  readonly ca?: string;
  /** Besides HTTP, email and messages. */
  readonly capabilities?: readonly Capability[];
  /** Of every tenant. */
  readonly secrets?: Readonly<Record<string, string>>;
}

/**
 * The broker of a host, and what lies behind it: names that resolve as a test says, and grants that a test gives. An arena
 * that performs effects with it has the whole way, from a guest to a server on loopback.
 */
export class World {
  readonly performs: Pick<SandboxOptions, 'onEffect'>;
  /** Each effect's record, as the audit log would have it. */
  readonly records: EffectRecord[] = [];
  /** What operators were told. */
  readonly denied: string[] = [];
  readonly #http: HttpCapability;
  readonly #grants = new Map<TenantId | '*', Grants>();
  readonly #names = new Map<string, (readonly string[])[]>();

  /** To be made once in a file; it closes with it. */
  constructor({ ca, capabilities = [], secrets = {} }: WorldOptions = {}) {
    const secretOf = (_tenant: string, name: string) => new Secret(name, secrets[name] ?? 'none');
    this.#http = new HttpCapability({
      secretOf,
      resolve: async (hostname) => this.#resolve(hostname),
      ...(ca === undefined ? {} : { ca }),
    });
    const vendors = { http: this.#http, secretOf };
    const broker = new Broker({
      capabilities: [
        this.#http,
        new SendgridCapability(vendors),
        new TwilioCapability(vendors),
        ...capabilities,
      ],
      grantsOf: (tenant) => this.#grants.get(tenant) ?? this.#grants.get('*') ?? NO_GRANTS,
      onDenied: (_, __, message) => this.denied.push(message),
      onPerformed: (record) => this.records.push(record),
      monotonicMs: () => performance.now(),
    });
    this.performs = { onEffect: (tenant, effect, signal) => broker.perform(tenant, effect, signal) };
    afterEach(() => {
      this.#grants.clear();
      this.#names.clear();
      this.records.length = 0;
      this.denied.length = 0;
    });
    afterAll(() => broker.close());
  }

  /** Until the end of the test, to one tenant or to all that are not named. */
  grant(grants: Partial<Grants>, tenant: TenantId | '*' = '*'): void {
    this.#grants.set(tenant, { ...NO_GRANTS, ...grants });
  }

  /** @param answers one lookup after the other; the last one stays */
  names(hostname: string, ...answers: readonly (readonly string[])[]): void {
    this.#names.set(hostname, [...answers]);
  }

  /** Resolves when no connection to the outside is left. */
  async connectionsAreGone(): Promise<void> {
    await expect.poll(() => this.#http.openConnections).toBe(0);
  }

  #resolve(hostname: string): readonly string[] {
    const answers = this.#names.get(hostname);
    const [next] = answers ?? [];
    if (next === undefined) {
      throw Object.assign(new Error(`Nobody knows ${hostname}.`), { code: 'ENOTFOUND' });
    }
    if (answers !== undefined && answers.length > 1) answers.shift();
    return next;
  }
}

/** What this process, which is the host's main one here, holds after its garbage is collected. */
export function heldBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
