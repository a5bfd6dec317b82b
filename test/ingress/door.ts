import { connect } from 'node:net';
import type { EventMessage, Receipt } from '../../host/bus/bus.ts';
import { type EventType, parseTenantId, type TenantId } from '../../host/event/names.ts';
import {
  createDirectory,
  type DirectoryEntry,
  type IngressFault,
  type IngressOptions,
  type IngressServer,
  openIngress,
} from '../../host/ingress/ingress.ts';
import type { IngestRequest, JobResult } from '../../host/sandbox/protocol.ts';

/** An open ingress over a delivery in memory, whose cell and bus a test may replace. */
export interface Door {
  readonly server: IngressServer;
  readonly url: string;
  readonly requests: IngestRequest[];
  readonly published: { readonly tenant: TenantId; readonly message: EventMessage }[];
  readonly faults: IngressFault[];
  readonly refused: IngressFault[];
  admit: (tenant: TenantId) => void;
  ingest: (tenant: TenantId, provider: string, request: IngestRequest) => Promise<JobResult>;
  publish: (tenant: TenantId, messages: readonly EventMessage[]) => Promise<readonly Receipt[]>;
  answersWebhook: (tenant: TenantId, type: EventType) => boolean;
}

const webhook = (id: string) => ({ id, kind: 'webhook' as const, verifier: null });
const mail = { id: 'mail', kind: 'email' as const, verifier: null };
const entry = (id: string, providers: DirectoryEntry['providers'], maxInFlight = 1000): DirectoryEntry => ({
  id: parseTenantId(id),
  providers,
  maxInFlight,
  maxBodyBytes: 1024 * 1024,
});

export const demo: TenantId = parseTenantId('demo');

export async function openDoor(options: Partial<IngressOptions> = {}): Promise<Door> {
  let count = 0;
  const stored = new Set<string>();
  const door: { -readonly [Key in keyof Door]: Door[Key] } = {
    requests: [],
    published: [],
    faults: [],
    refused: [],
    ingest: async (_tenant, _provider, request) => {
      door.requests.push(request);
      count += 1;
      const type = request.eventType ?? 'long.path';
      return { kind: 'events', events: [{ id: `event-${count}`, type, json: `{"n":${count}}` }] };
    },
    publish: async (tenant, messages) =>
      messages.map((message) => {
        const duplicate = stored.has(`${tenant} ${message.id}`);
        stored.add(`${tenant} ${message.id}`);
        if (!duplicate) door.published.push({ tenant, message });
        return { id: message.id, duplicate };
      }),
    admit: () => undefined,
    answersWebhook: () => false,
    server: undefined as unknown as IngressServer,
    url: '',
  };
  door.server = await openIngress({
    host: '127.0.0.1',
    port: 0,
    maxBodyBytes: 64 * 1024,
    responseTimeoutMs: 10_000,
    directory: createDirectory([
      entry('demo', [webhook('events-webhook'), mail]),
      entry('two', [webhook('github'), webhook('stripe')]),
      entry('none', [mail]),
      entry('narrow', [webhook('w')], 2),
      { ...entry('small', [webhook('w')]), maxBodyBytes: 10 },
    ]),
    delivery: {
      admit: (tenant) => door.admit(tenant),
      ingest: (...given) => door.ingest(...given),
      publish: (...given) => door.publish(...given),
      answersWebhook: (...given) => door.answersWebhook(...given),
    },
    now: () => 1_700_000_000_000,
    onFault: (fault) => door.faults.push(fault),
    onRefused: (fault) => door.refused.push(fault),
    ...options,
  });
  door.url = door.server.url;
  return door;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: { readonly [key: string]: unknown };
}

/** Sends a request; a text that is no JSON leaves `json` empty. */
export async function send(door: Door, path: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(`${door.url}${path}`, { method: 'POST', ...init });
  const text = await response.text();
  let json: Answer['json'] = {};
  try {
    json = JSON.parse(text);
  } catch {}
  return { status: response.status, headers: response.headers, text, json };
}

/** Writes bytes to the port and reads until the host closes the connection. */
export function sendRaw(door: Door, bytes: string | Uint8Array): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect(door.server.port, '127.0.0.1', () => socket.write(bytes));
  let text = '';
  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => {
    text += chunk;
  });
  socket.on('error', reject);
  socket.on('close', () => resolve(text));
  return promise;
}

/** A promise with its resolver, for a step that the test ends by hand. */
export function gate<T = void>(): { readonly opened: Promise<T>; readonly open: (value: T) => void } {
  const { promise, resolve } = Promise.withResolvers<T>();
  return { opened: promise, open: resolve };
}
