import type { EventMessage, Receipt } from '../bus/bus.ts';
import type { EventType, TenantId } from '../event/names.ts';
import type { IngestRequest, JobResult } from '../sandbox/protocol.ts';

/** Where ingress hands requests on to: the tenant's cell, the bus, and what the flows say about answers. */
export interface IngressDelivery {
  /**
   * Whether the tenant may have another event now; asked before any guest runs.
   * @throws GtpackError `tenant_rate_exceeded`, `tenant_backlog_full`
   */
  admit(tenant: TenantId): void;
  /** Runs the provider's `ingest` in the tenant's cell. Must settle within the host's own deadlines. */
  ingest(tenant: TenantId, provider: string, request: IngestRequest): Promise<JobResult>;
  /** Resolves when the events are durable (B1), with one receipt a message, in order. */
  publish(tenant: TenantId, messages: readonly EventMessage[]): Promise<readonly Receipt[]>;
  /** Whether a flow of the tenant that an event of this type starts answers the webhook itself. */
  answersWebhook(tenant: TenantId, type: EventType): boolean;
}

/** Something the operator should see; a sender gets the short form of it. */
export interface IngressFault {
  readonly tenant: TenantId | null;
  readonly provider: string | null;
  readonly message: string;
  readonly cause?: unknown;
}
