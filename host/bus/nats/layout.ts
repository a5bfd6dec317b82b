import type { EnvName, TenantId } from '../../event/names.ts';

/** Names of what one env keeps on a NATS server. Hosts alone may use what begins with `greentic.host.`. */
export class Layout {
  readonly env: EnvName;
  /** Events and results, as anybody may read and publish them. */
  readonly events: string;
  /** Which event took an id first (B4). */
  readonly claims: string;
  /** Leases and settlements of events. */
  readonly runs: string;
  readonly journals: string;
  /** Dead letters: for subscribers, and whole for hosts. */
  readonly letters: string;
  /** The bucket with what only hosts know. */
  readonly secrets: string;

  constructor(env: EnvName) {
    this.env = env;
    this.events = `greentic-events-${env}`;
    this.claims = `greentic-claims-${env}`;
    this.runs = `greentic-runs-${env}`;
    this.journals = `greentic-journals-${env}`;
    this.letters = `greentic-dlq-${env}`;
    this.secrets = `greentic-host-${env}`;
  }

  get allEvents(): string {
    return `greentic.events.${this.env}.>`;
  }

  get allLetters(): string {
    return `greentic.dlq.${this.env}.>`;
  }

  eventsOf(tenant: TenantId): string {
    return `greentic.events.${this.env}.${tenant}.>`;
  }

  consumerOf(tenant: TenantId): string {
    return `host-${tenant}`;
  }

  tenantOfConsumer(name: string): TenantId | undefined {
    return name.startsWith('host-') ? (name.slice('host-'.length) as TenantId) : undefined;
  }

  /** @param token as `HostKey.idToken` makes it; a wildcard for all */
  claim(tenant: string, token: string): string {
    return `greentic.host.${this.env}.claim.${tenant}.${token}`;
  }

  lease(tenant: string, position: number | string): string {
    return `greentic.host.${this.env}.lease.${tenant}.${position}`;
  }

  settlement(tenant: string, position: number | string): string {
    return `greentic.host.${this.env}.settled.${tenant}.${position}`;
  }

  /** @param token as `HostKey.runToken` makes it */
  journal(token: string): string {
    return `greentic.host.${this.env}.journal.${token}`;
  }

  letter(tenant: string, token: string, position: number | string): string {
    return `greentic.host.${this.env}.letter.${tenant}.${token}.${position}`;
  }
}
