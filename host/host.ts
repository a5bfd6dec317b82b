import type { Bundle } from './bundle/bundle.ts';
import { secretReaders, secretsOf } from './bundle/secret-holders.ts';
import { Broker } from './capability/broker.ts';
import { breakerNotice } from './capability/http/breaker.ts';
import { HttpCapability } from './capability/http.ts';
import { PublishCapability } from './capability/publish.ts';
import { SecretsCapability } from './capability/secrets.ts';
import { SendgridCapability } from './capability/sendgrid.ts';
import { StateCapability } from './capability/state.ts';
import { TimersCapability } from './capability/timers.ts';
import { TwilioCapability } from './capability/twilio.ts';
import { deploy } from './deploy/deployment.ts';
import { describeTenant, quarantineEntry, statusOf } from './deploy/description.ts';
import { Drain } from './deploy/drain.ts';
import { openBus } from './deploy/open-bus.ts';
import { flowDigests, operatorRecords } from './deploy/operator-records.ts';
import { operatorTimers } from './deploy/operator-timers.ts';
import { openOperatorView } from './deploy/operator-view.ts';
import type { TenantDeployment } from './deploy/tenant-deployment.ts';
import { errorMessage, formatProblem } from './errors.ts';
import { hexSource } from './event/hex-source.ts';
import { eventBounds } from './event/json-bounds.ts';
import type { TenantId } from './event/names.ts';
import { Quotas } from './fairness/quotas.ts';
import { Arrivals } from './flow/arrivals.ts';
import { Dispatcher } from './flow/dispatcher.ts';
import { FlowVersions } from './flow/flow-versions.ts';
import { FlowMatcher } from './flow/match.ts';
import { RunRecorder } from './flow/run-recorder.ts';
import { NO_GRANTS } from './grant/grants.ts';
import { failedAnswer } from './ingress/answer.ts';
import { Emitter } from './ingress/emitter.ts';
import { createDirectory, openIngress, verifierOf } from './ingress/ingress.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { AuditFile } from './observe/audit-file.ts';
import { AuditLog } from './observe/audit-log.ts';
import { auditLine } from './observe/audit-record.ts';
import { hostLog, type LogSubject, type SourcePlace, sourceSubject, subjectOf } from './observe/host-log.ts';
import { Metrics } from './observe/metrics.ts';
import { redactedCells, redactedEffect, redactedJournal, redactedLog } from './observe/redacted-cells.ts';
import { createRedactors } from './observe/redactor.ts';
import type { HostDescription, RunningHost, StartHost, StartOptions } from './running-host.ts';
import { quarantineNotice } from './sandbox/quarantine.ts';
import { Sandbox } from './sandbox/sandbox.ts';
import { GuestTimers, Scheduler, systemClock } from './schedule/schedule.ts';
import { delayedNotice, lostNotice, skippedNotice, Ticking } from './schedule/ticking.ts';

/** Puts a host together and starts it. No logic here: what a part does is in its room. */
export const startHost: StartHost = async (bundle, options) => {
  const opened = new AsyncDisposableStack();
  try {
    return await assemble(bundle, options, opened);
  } catch (error) {
    // Nothing stays open of a host that did not start: not its bus, not its port.
    await opened.disposeAsync();
    throw error;
  }
};

async function assemble(
  bundle: Bundle,
  options: StartOptions,
  opened: AsyncDisposableStack,
): Promise<RunningHost> {
  const redactors = createRedactors(bundle.tenants);
  const log = hostLog(redactedLog(options.log, redactors));
  const { tenants, warnings, leftOut } = await deploy(bundle, 'pin');
  for (const warning of [...warnings, ...leftOut, ...bundle.warnings]) log.warn({}, warning);
  for (const notice of secretReaders(bundle)) log.info({}, notice);
  const secretOf = secretsOf(bundle);

  const bus = await openBus(bundle, options.instance);
  opened.defer(() => bus.close());
  const metrics = new Metrics();
  if (bundle.operator !== null) bus.tap(metrics.listener);
  const byId = new Map<TenantId, TenantDeployment>(tenants.map((tenant) => [tenant.id, tenant]));
  const audit = await AuditLog.open(
    { sink: new AuditFile(bundle.audit), now: Date.now, onFault: (message) => log.error({}, message) },
    bundle.audit.file,
  );
  opened.defer(() => audit.close());
  const quotas = new Quotas({
    limits: new Map(tenants.map(({ id, limits }) => [id, limits])),
    count: () => bus.counts(),
    monotonicMs: () => performance.now(),
    onRefused: (tenant, code) => metrics.refused(tenant, code),
  });
  await quotas.start();
  const http = new HttpCapability({
    secretOf,
    onBreaker: (change) => log.warn({ tenant: change.tenant }, breakerNotice(change)),
  });
  const packOf = (tenant: TenantId, source: string): string | undefined =>
    byId.get(tenant)?.packs.get(source);
  const about = (tenant: TenantId, source: string, place: SourcePlace): LogSubject =>
    sourceSubject(tenant, source, packOf(tenant, source), place);
  const broker = new Broker({
    capabilities: [
      new PublishCapability({
        publish: (tenant, messages, journal) =>
          quotas.publish(tenant, messages.length, () => bus.publish(tenant, messages, journal)),
      }),
      http,
      new SendgridCapability({ http, secretOf }),
      new TwilioCapability({ http, secretOf }),
      new StateCapability(bus.state),
      new TimersCapability(bus.timers),
      new SecretsCapability(secretOf),
    ],
    grantsOf: (tenant, source) => byId.get(tenant)?.grants.get(source) ?? NO_GRANTS,
    onDenied: (tenant, source, message, { runId: run, node, trace }) =>
      log.warn(about(tenant, source, { run, node, trace: trace?.traceId }), message),
    onPerformed: (record) => {
      const pack = packOf(record.tenant, record.source) ?? null;
      metrics.effect(record);
      audit.record(auditLine(record, { now: Date.now(), pack, redact: redactors.of(record.tenant) }));
    },
    monotonicMs: () => performance.now(),
  });
  const recorder = new RunRecorder(bus);
  const sandbox = new Sandbox({
    maxLiveCells: DEFAULT_LIMITS.maxLiveCells,
    maxCellsPerHost: DEFAULT_LIMITS.maxCellsPerHost,
    maxQueuedCalls: DEFAULT_LIMITS.maxQueuedCalls,
    onEffect: (tenant, effect, signal) =>
      broker.perform(tenant, redactedEffect(effect, redactors.of(tenant)), signal),
    onRecord: (tenant, journal) => {
      metrics.recorded(tenant, journal);
      return recorder.record(tenant, redactedJournal(journal, redactors.of(tenant)));
    },
    onRespond: (tenant, eventId, answer) => ingress.respond(tenant, eventId, answer),
    onLog: (tenant, { source, level, message, place = {} }) =>
      log[level](about(tenant, source, place), message),
    onFlowProblems: (tenant, problems) => {
      for (const problem of problems) log.error({ tenant }, formatProblem(problem));
    },
    onCellOpened: (tenant) => metrics.cellOpened(tenant),
    onCellLost: (tenant, loss) => {
      metrics.cellLost(tenant, loss, byId.get(tenant)?.limits.cpuSliceMs ?? 0);
      log.warn({ tenant }, `The cell was lost (${loss.reason}): ${loss.detail}`);
    },
    // The names come from the cell.
    onUsage: (tenant, usage) =>
      metrics.used(
        tenant,
        usage.filter(({ source }) => byId.get(tenant)?.grants.has(source)),
      ),
    onQuarantined: (held) => log.error({ tenant: held.tenant }, quarantineNotice(held)),
  });
  opened.defer(() => sandbox.stop());
  for (const { id, code } of tenants) sandbox.register(id, code);

  const cells = redactedCells(sandbox, redactors);

  const matchers = new Map(tenants.map(({ id, flows }) => [id, new FlowMatcher(flows)]));
  const ingress = await openIngress({
    ...bundle.http,
    now: Date.now,
    directory: createDirectory(
      tenants.map(({ id, providers, limits }) => ({
        id,
        providers: providers
          .filter(({ provider }) => provider.exports.includes('ingest'))
          .map(({ binding, provider }) => ({
            id: binding.id,
            kind: provider.kind,
            verifier: verifierOf(binding.signatures, {
              secretOf: (name) => secretOf(id, name),
              publicUrl: bundle.http.publicUrl,
              ...(binding.handshakes === undefined ? {} : { handshakes: binding.handshakes }),
            }),
          })),
        maxInFlight: limits.maxQueuedCalls,
        maxBodyBytes: bundle.http.maxBodyBytes,
      })),
    ),
    delivery: {
      admit: (tenant) => quotas.admit(tenant),
      ingest: (tenant, provider, request) =>
        metrics.ingest(tenant, provider, () => cells.submit(tenant, { kind: 'ingest', provider, request })),
      publish: (tenant, messages) =>
        quotas.store(tenant, messages.length, () => bus.publish(tenant, messages)),
      answersWebhook: (tenant, type) =>
        matchers
          .get(tenant)
          ?.match({ type })
          .some(({ flow }) => flow.answersWebhook) === true,
    },
    onFault: ({ tenant, provider, message }) => log.error(subjectOf(tenant, provider), message),
    onRefused: ({ tenant, provider, message }) => log.warn(subjectOf(tenant, provider), message),
  });
  opened.defer(() => ingress.close(0));

  const versions = new FlowVersions({ state: bus.state, now: Date.now });
  const hex = hexSource();
  const newTraceId = (): string => hex(16);
  const dispatcher = new Dispatcher({
    bus,
    cells,
    versions,
    arrivals: new Arrivals({
      ...{ bus, cells, versions, newTraceId },
      onFault: (tenant, message) => log.warn({ tenant }, message),
    }),
    random: Math.random,
    now: Date.now,
    onSettleError: (tenant, error) =>
      log.error({ tenant }, `A settlement was not stored: ${errorMessage(error)}`),
    onPutOff: (tenant) => metrics.putOff(tenant),
    onParked: (tenant) => quotas.settled(tenant),
    onEventDone: (tenant, eventId, reason) => {
      quotas.settled(tenant);
      if (reason !== null) {
        log.error({ tenant }, `The event ${eventId} is in the dead letters: ${reason}`);
        ingress.respond(tenant, eventId, failedAnswer(eventId));
      }
      ingress.eventDone(tenant, eventId);
    },
  });
  opened.defer(async () => {
    await dispatcher.stop(0);
  });
  for (const { id, flows, limits, ordered } of tenants) {
    const maxInFlight = Math.min(limits.maxInFlight, limits.maxQueuedCalls);
    const { maxParkedRuns } = limits;
    const outside = { bounds: eventBounds(limits), admit: () => quotas.admitOutside(id) };
    await dispatcher.open(id, flows, { maxInFlight, ordered, maxParkedRuns, outside });
  }

  const ticking = new Ticking({
    store: bus.schedules,
    cells,
    onSkipped: ({ entry, tick }) => {
      metrics.tick(entry.tenant, 'skipped');
      log.warn({ tenant: entry.tenant }, skippedNotice(entry, tick));
    },
    onLost: ({ entry, tick }, reason) => {
      metrics.tick(entry.tenant, 'lost');
      log.error({ tenant: entry.tenant }, lostNotice(entry, tick, reason));
    },
    onDelayed: ({ entry, tick }, reason) =>
      log.warn({ tenant: entry.tenant }, delayedNotice(entry, tick, reason)),
  });
  const schedules = tenants.flatMap((tenant) => tenant.schedules);
  const scheduler = await Scheduler.start(
    { clock: systemClock, store: bus.schedules, actions: ticking },
    schedules,
  );
  opened.defer(() => scheduler.stop());

  const guestTimers = await GuestTimers.start({
    store: bus.timers,
    clock: systemClock,
    grantOf: (tenant, source) => byId.get(tenant)?.grants.get(source)?.timers ?? null,
    newTraceId,
    onHeld: ({ tenant, source, type, count }) =>
      log.warn(
        { tenant, provider: source },
        `${count} timers for events of the type ${type} are kept and do not fire: the bundle has no such provider, or does not grant it them (timers.events).`,
      ),
    onFault: ({ tenant, source }, message) =>
      log.error({ tenant, provider: source }, `Timers that are due could not be fired yet: ${message}`),
  });
  opened.defer(() => guestTimers.stop());

  let isStopping = false;
  let closePort = async (): Promise<void> => undefined;
  if (bundle.operator !== null) {
    const port = await openOperatorView(bundle.operator, {
      bus,
      sandbox,
      metrics,
      isStopping: () => isStopping,
    });
    opened.defer(() => port.close());
    log.info({}, `Health and metrics are at ${port.url}.`);
    closePort = () => port.close();
  }

  const emitter = new Emitter({ bus, knows: (tenant) => byId.has(tenant), now: Date.now });
  const describe = (): HostDescription => ({
    env: bundle.env,
    tenants: tenants.map((tenant) =>
      describeTenant(tenant, bundle.http.publicUrl ?? ingress.url, scheduler.upcoming(1, tenant.id)),
    ),
  });
  return {
    url: ingress.url,
    lost: bus.lost,
    describe,
    control: {
      env: bundle.env,
      tap: (listener) => bus.tap(listener),
      emit: (tenant, type, payloadJson) => emitter.emit(tenant, type, payloadJson),
      status: () => ({ url: ingress.url, ...statusOf(describe(), sandbox.counts()) }),
      quarantined: () => sandbox.quarantine.list().map(quarantineEntry),
      release: (tenant, source) => sandbox.quarantine.release(tenant as TenantId, source),
      records: operatorRecords(bus, (tenant) => flowDigests(byId.get(tenant)?.flows ?? [])),
      timers: operatorTimers({ schedules, timers: () => bus.timers.queues(), now: Date.now }),
    },
    async stop(graceMs) {
      isStopping = true;
      const drain = new Drain(graceMs, () => performance.now());
      await drain.wait(Promise.allSettled([scheduler.stop(), guestTimers.stop(), ingress.close(graceMs)]));
      const left = await dispatcher.stop(drain.leftMs);
      if (left > 0)
        log.warn({}, `${left} events in flight are handed back; they run again at the next start.`);
      await sandbox.stop();
      await broker.close();
      await audit.close();
      await closePort();
      await bus.close();
    },
  };
}
