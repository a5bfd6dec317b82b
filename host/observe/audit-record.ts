import type { EffectRecord } from '../capability/broker.ts';
import type { Redact } from './redactor.ts';

/** One line of the audit log. A line with `dropped` alone says how many were lost before it. */
export interface AuditLine {
  /** When the effect was over; ISO 8601, UTC. */
  readonly time: string;
  readonly tenant: string;
  /** One of the two: who asked. */
  readonly provider?: string;
  readonly flow?: string;
  /** `id@version` of the pack that it came with; null for a flow of the bundle itself. */
  readonly pack: string | null;
  /** Null outside of a run. */
  readonly run: string | null;
  readonly node: string | null;
  /** The effect's span, and the trace that it is of; left out where it is of none. */
  readonly trace?: string;
  readonly span?: string;
  readonly capability: string;
  readonly fn: string;
  readonly target: string;
  readonly decision: EffectRecord['decision'];
  readonly code: string | null;
  readonly duration_ms: number;
}

export interface AuditContext {
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
  readonly pack: string | null;
  readonly redact: Redact;
}

const FLOW = 'flow:';
const MAX_TEXT_CHARACTERS = 1024;
/** Most lines are of these alone, and are told so faster than the categories are looked up. */
const PRINTABLE = /^[ -~]*$/;
/** As in host/cli/output.ts: what could steer a terminal, or turn the direction of writing. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** The JSON text of a record, whose characters are safe for terminals as they stand. */
export function auditLine(record: EffectRecord, { now, pack, redact }: AuditContext): string {
  const { tenant, source, runId, node, trace, capability, fn, target, decision, code, durationMs } = record;
  const text = (written: string): string => cut(redact(written));
  const line: AuditLine = {
    time: new Date(now).toISOString(),
    tenant,
    ...(source.startsWith(FLOW) ? { flow: text(source.slice(FLOW.length)) } : { provider: text(source) }),
    pack,
    run: runId === null ? null : text(runId),
    node: node === null ? null : text(node),
    ...(trace === null ? {} : { trace: trace.traceId, span: trace.spanId }),
    capability: text(capability),
    fn: text(fn),
    target: text(target),
    decision,
    code,
    duration_ms: Math.round(durationMs * 10) / 10,
  };
  const json = JSON.stringify(line);
  return PRINTABLE.test(json) ? json : json.replace(UNPRINTABLE, escaped);
}

function cut(text: string): string {
  return text.length <= MAX_TEXT_CHARACTERS ? text : `${text.slice(0, MAX_TEXT_CHARACTERS).toWellFormed()}…`;
}

function escaped(character: string): string {
  let text = '';
  for (let at = 0; at < character.length; at += 1) {
    text += `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`;
  }
  return text;
}
