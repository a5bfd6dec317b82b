/**
 * The host's one error class and the table of its codes.
 *
 * A message says what was expected, what came, and where; `cure` says how to mend it. Match on `code`, never
 * on the message. No secret, stack or class name may enter a message: messages reach senders and guests.
 */

/** Who has to change something for the error to go away. */
export type Blame = 'pack' | 'operator' | 'sender' | 'vendor' | 'host';

interface CodeFacts {
  readonly blame: Blame;
  /** Whether the same attempt, made again later, may succeed. */
  readonly retryable: boolean;
  /** Status of the HTTP answer when the error reaches a sender. */
  readonly status: number;
}

const facts = <const T extends Record<string, CodeFacts>>(table: T): T => table;

/** Every code this host can give, in the order of the rooms that raise them. docs/errors.md explains each. */
export const ERROR_CODES = facts({
  // files that people write
  file_unreadable: { blame: 'operator', retryable: false, status: 500 },
  yaml_invalid: { blame: 'operator', retryable: false, status: 500 },

  // event
  event_type_invalid: { blame: 'sender', retryable: false, status: 400 },
  event_type_reserved: { blame: 'sender', retryable: false, status: 400 },
  tenant_invalid: { blame: 'sender', retryable: false, status: 400 },
  env_invalid: { blame: 'operator', retryable: false, status: 500 },
  cloudevent_invalid: { blame: 'sender', retryable: false, status: 400 },
  event_invalid: { blame: 'pack', retryable: false, status: 502 },
  json_invalid: { blame: 'sender', retryable: false, status: 400 },
  json_too_large: { blame: 'sender', retryable: false, status: 413 },
  json_too_deep: { blame: 'sender', retryable: false, status: 413 },
  json_too_many_elements: { blame: 'sender', retryable: false, status: 413 },
  too_many_hops: { blame: 'pack', retryable: false, status: 502 },

  // deploy
  pack_provider_unknown: { blame: 'operator', retryable: false, status: 500 },
  operation_unknown: { blame: 'operator', retryable: false, status: 500 },
  timer_provider_missing: { blame: 'operator', retryable: false, status: 500 },
  timer_provider_ambiguous: { blame: 'operator', retryable: false, status: 500 },

  // sandbox
  guest_trap: { blame: 'pack', retryable: false, status: 502 },
  guest_memory_too_large: { blame: 'pack', retryable: false, status: 502 },
  guest_memory_exceeded: { blame: 'pack', retryable: false, status: 502 },
  guest_effects_exceeded: { blame: 'pack', retryable: false, status: 502 },
  guest_timeout: { blame: 'pack', retryable: false, status: 504 },
  guest_output_invalid: { blame: 'pack', retryable: false, status: 502 },
  guest_import_refused: { blame: 'pack', retryable: false, status: 502 },
  guest_export_missing: { blame: 'pack', retryable: false, status: 502 },
  guest_type_mismatch: { blame: 'pack', retryable: false, status: 502 },
  config_invalid: { blame: 'operator', retryable: false, status: 500 },
  operation_input_invalid: { blame: 'pack', retryable: false, status: 502 },
  operation_output_invalid: { blame: 'pack', retryable: false, status: 502 },
  plugin_compile_too_large: { blame: 'pack', retryable: false, status: 502 },
  plugin_invalid: { blame: 'pack', retryable: false, status: 502 },
  plugin_quarantined: { blame: 'pack', retryable: true, status: 503 },
  cell_lost: { blame: 'host', retryable: true, status: 503 },
  cell_ended: { blame: 'pack', retryable: true, status: 503 },
  cell_busy: { blame: 'sender', retryable: true, status: 429 },
  run_not_open: { blame: 'pack', retryable: false, status: 502 },
  host_stopping: { blame: 'host', retryable: true, status: 503 },

  // capability
  effect_failed: { blame: 'host', retryable: true, status: 503 },
  capability_denied: { blame: 'operator', retryable: false, status: 502 },
  http_request_invalid: { blame: 'pack', retryable: false, status: 502 },
  http_request_too_large: { blame: 'pack', retryable: false, status: 502 },
  http_unreachable: { blame: 'vendor', retryable: true, status: 502 },
  http_interrupted: { blame: 'vendor', retryable: true, status: 502 },
  http_tls_failed: { blame: 'vendor', retryable: false, status: 502 },
  http_timeout: { blame: 'vendor', retryable: true, status: 504 },
  http_response_invalid: { blame: 'vendor', retryable: true, status: 502 },
  http_response_too_large: { blame: 'vendor', retryable: false, status: 502 },
  http_redirects_too_many: { blame: 'vendor', retryable: false, status: 502 },
  http_circuit_open: { blame: 'vendor', retryable: true, status: 503 },
  http_busy: { blame: 'host', retryable: true, status: 503 },
  state_key_invalid: { blame: 'pack', retryable: false, status: 502 },
  state_value_invalid: { blame: 'pack', retryable: false, status: 502 },
  state_full: { blame: 'pack', retryable: false, status: 502 },
  timer_invalid: { blame: 'pack', retryable: false, status: 502 },
  timers_full: { blame: 'pack', retryable: false, status: 502 },
  grant_rate_exceeded: { blame: 'pack', retryable: true, status: 429 },
  sendgrid_invalid: { blame: 'pack', retryable: false, status: 502 },
  sendgrid_unauthorized: { blame: 'operator', retryable: false, status: 502 },
  sendgrid_too_large: { blame: 'pack', retryable: false, status: 502 },
  sendgrid_rate_limited: { blame: 'vendor', retryable: true, status: 503 },
  sendgrid_unavailable: { blame: 'vendor', retryable: true, status: 502 },
  twilio_invalid: { blame: 'pack', retryable: false, status: 502 },
  twilio_to_invalid: { blame: 'pack', retryable: false, status: 502 },
  twilio_from_invalid: { blame: 'operator', retryable: false, status: 502 },
  twilio_region_denied: { blame: 'operator', retryable: false, status: 502 },
  twilio_opted_out: { blame: 'pack', retryable: false, status: 502 },
  twilio_unauthorized: { blame: 'operator', retryable: false, status: 502 },
  twilio_rate_limited: { blame: 'vendor', retryable: true, status: 503 },
  twilio_unavailable: { blame: 'vendor', retryable: true, status: 502 },

  // fairness
  tenant_rate_exceeded: { blame: 'sender', retryable: true, status: 429 },
  tenant_backlog_full: { blame: 'operator', retryable: true, status: 503 },

  // bus
  bus_unavailable: { blame: 'host', retryable: true, status: 503 },
  dead_letter_unknown: { blame: 'operator', retryable: false, status: 404 },
  run_unknown: { blame: 'operator', retryable: false, status: 404 },
  bus_missing: { blame: 'operator', retryable: false, status: 500 },
  bus_locked: { blame: 'operator', retryable: false, status: 500 },
  bus_schema_newer: { blame: 'operator', retryable: false, status: 500 },
  bus_corrupt: { blame: 'operator', retryable: false, status: 500 },
  bus_disk_full: { blame: 'operator', retryable: true, status: 503 },
  bus_unwritable: { blame: 'operator', retryable: false, status: 500 },
  bus_consumer_taken: { blame: 'host', retryable: false, status: 500 },
  bus_unreachable: { blame: 'operator', retryable: true, status: 503 },
  bus_refused: { blame: 'operator', retryable: false, status: 503 },
  bus_mismatch: { blame: 'operator', retryable: false, status: 500 },
  run_taken: { blame: 'host', retryable: true, status: 503 },

  // ingress
  route_unknown: { blame: 'sender', retryable: false, status: 404 },
  method_not_allowed: { blame: 'sender', retryable: false, status: 405 },
  tenant_unknown: { blame: 'sender', retryable: false, status: 404 },
  provider_unknown: { blame: 'sender', retryable: false, status: 404 },
  provider_ambiguous: { blame: 'sender', retryable: false, status: 409 },
  request_invalid: { blame: 'sender', retryable: false, status: 400 },
  request_timeout: { blame: 'sender', retryable: true, status: 408 },
  body_too_large: { blame: 'sender', retryable: false, status: 413 },
  content_type_invalid: { blame: 'sender', retryable: false, status: 415 },
  headers_too_large: { blame: 'sender', retryable: false, status: 431 },
  signature_refused: { blame: 'sender', retryable: false, status: 401 },
  signature_stale: { blame: 'sender', retryable: false, status: 401 },
  guest_refused: { blame: 'sender', retryable: false, status: 400 },
  answer_invalid: { blame: 'pack', retryable: false, status: 502 },
  host_busy: { blame: 'host', retryable: true, status: 503 },
  host_failed: { blame: 'host', retryable: false, status: 500 },
  listen_failed: { blame: 'operator', retryable: false, status: 500 },

  // schedule
  timer_plan_invalid: { blame: 'operator', retryable: false, status: 500 },

  // control
  host_not_running: { blame: 'operator', retryable: false, status: 500 },
  control_socket_in_use: { blame: 'operator', retryable: false, status: 500 },
  control_socket_unusable: { blame: 'operator', retryable: false, status: 500 },
  control_version_unknown: { blame: 'operator', retryable: false, status: 500 },
  control_message_invalid: { blame: 'operator', retryable: false, status: 400 },
  record_too_large: { blame: 'operator', retryable: false, status: 500 },
  control_connection_lost: { blame: 'host', retryable: true, status: 503 },

  // observe
  audit_unwritable: { blame: 'operator', retryable: false, status: 500 },
  audit_unreadable: { blame: 'operator', retryable: false, status: 500 },

  // bundle
  bundle_invalid: { blame: 'operator', retryable: false, status: 500 },
  pack_missing: { blame: 'operator', retryable: false, status: 500 },
  flow_missing: { blame: 'operator', retryable: false, status: 500 },
  secret_undeclared: { blame: 'operator', retryable: false, status: 500 },
  secret_unavailable: { blame: 'operator', retryable: false, status: 500 },
  secret_unusable: { blame: 'operator', retryable: false, status: 500 },
  lock_invalid: { blame: 'operator', retryable: false, status: 500 },
  bundle_unwritable: { blame: 'operator', retryable: false, status: 500 },
  lock_unwritable: { blame: 'operator', retryable: false, status: 500 },
  pack_changed: { blame: 'operator', retryable: false, status: 500 },
  pack_unsigned: { blame: 'operator', retryable: false, status: 500 },
  pack_untrusted: { blame: 'operator', retryable: false, status: 500 },
  pack_unapproved: { blame: 'operator', retryable: false, status: 500 },
  grant_unapproved: { blame: 'operator', retryable: false, status: 500 },

  // cli
  bundle_not_found: { blame: 'operator', retryable: false, status: 500 },
  option_invalid: { blame: 'operator', retryable: false, status: 400 },

  // flow
  flow_invalid: { blame: 'pack', retryable: false, status: 500 },
  expression_invalid: { blame: 'pack', retryable: false, status: 500 },
  template_invalid: { blame: 'pack', retryable: false, status: 500 },
  expression_failed: { blame: 'pack', retryable: false, status: 500 },
  expression_key_missing: { blame: 'pack', retryable: false, status: 500 },
  expression_too_costly: { blame: 'pack', retryable: false, status: 500 },
  flow_unknown: { blame: 'host', retryable: false, status: 500 },
  flow_changed: { blame: 'operator', retryable: false, status: 500 },
  flow_too_many_steps: { blame: 'pack', retryable: false, status: 500 },
  flow_too_many_effects: { blame: 'pack', retryable: false, status: 500 },
  flow_effect_timeout: { blame: 'vendor', retryable: true, status: 504 },
  effect_unknown: { blame: 'vendor', retryable: false, status: 502 },
  flow_node_timeout: { blame: 'vendor', retryable: true, status: 504 },
  http_status_unexpected: { blame: 'vendor', retryable: false, status: 502 },
  flow_failed: { blame: 'pack', retryable: false, status: 500 },
  flow_items_invalid: { blame: 'pack', retryable: false, status: 500 },
  flow_wait_invalid: { blame: 'pack', retryable: false, status: 500 },
  wait_timeout: { blame: 'vendor', retryable: false, status: 504 },
  flow_too_deep: { blame: 'pack', retryable: false, status: 500 },
  flow_outputs_too_large: { blame: 'pack', retryable: false, status: 500 },
  flow_response_invalid: { blame: 'pack', retryable: false, status: 500 },
  journal_invalid: { blame: 'host', retryable: false, status: 500 },

  // pack: the archive
  archive_not_zip: { blame: 'pack', retryable: false, status: 500 },
  archive_truncated: { blame: 'pack', retryable: false, status: 500 },
  archive_damaged: { blame: 'pack', retryable: false, status: 500 },
  archive_ambiguous: { blame: 'pack', retryable: false, status: 500 },
  archive_overlap: { blame: 'pack', retryable: false, status: 500 },
  archive_path_refused: { blame: 'pack', retryable: false, status: 500 },
  archive_path_conflict: { blame: 'pack', retryable: false, status: 500 },
  archive_link_refused: { blame: 'pack', retryable: false, status: 500 },
  archive_encrypted: { blame: 'pack', retryable: false, status: 500 },
  archive_compression_unknown: { blame: 'pack', retryable: false, status: 500 },
  archive_too_large: { blame: 'pack', retryable: false, status: 500 },
  archive_entry_too_large: { blame: 'pack', retryable: false, status: 500 },
  archive_too_many_entries: { blame: 'pack', retryable: false, status: 500 },
  archive_ratio_exceeded: { blame: 'pack', retryable: false, status: 500 },
  // pack: what the archive holds
  manifest_missing: { blame: 'pack', retryable: false, status: 500 },
  manifest_invalid: { blame: 'pack', retryable: false, status: 500 },
  manifest_unsupported: { blame: 'pack', retryable: false, status: 500 },
  sbom_missing: { blame: 'pack', retryable: false, status: 500 },
  sbom_invalid: { blame: 'pack', retryable: false, status: 500 },
  sbom_mismatch: { blame: 'pack', retryable: false, status: 500 },
  signature_invalid: { blame: 'pack', retryable: false, status: 500 },
  key_invalid: { blame: 'operator', retryable: false, status: 500 },
  key_unwritable: { blame: 'operator', retryable: false, status: 500 },
  pack_text_invalid: { blame: 'pack', retryable: false, status: 500 },
  pack_schema_invalid: { blame: 'pack', retryable: false, status: 500 },
  pack_component_missing: { blame: 'pack', retryable: false, status: 500 },
  pack_interface_mismatch: { blame: 'pack', retryable: false, status: 500 },
  // pack: building one
  pack_yaml_invalid: { blame: 'pack', retryable: false, status: 500 },
  pack_source_invalid: { blame: 'pack', retryable: false, status: 500 },
  pack_compile_failed: { blame: 'pack', retryable: false, status: 500 },
  pack_compiler_missing: { blame: 'operator', retryable: false, status: 500 },
  pack_unwritable: { blame: 'operator', retryable: false, status: 500 },

  // flow script
  script_syntax: { blame: 'pack', retryable: false, status: 502 },
  script_helper_invalid: { blame: 'pack', retryable: false, status: 502 },
  script_threw: { blame: 'pack', retryable: false, status: 502 },
  script_timeout: { blame: 'pack', retryable: false, status: 504 },
  script_out_of_memory: { blame: 'pack', retryable: false, status: 502 },
  script_stack_overflow: { blame: 'pack', retryable: false, status: 502 },
  script_result_invalid: { blame: 'pack', retryable: false, status: 502 },
});

export type ErrorCode = keyof typeof ERROR_CODES;

/** One thing that is wrong, with its place. The unit of `gtpack check` and of every refused file. */
export interface Problem {
  readonly code: ErrorCode;
  /** What was expected and what came. */
  readonly message: string;
  /** What to change; a sentence, or a line to paste. */
  readonly cure?: string;
  readonly file?: string;
  /** 1-based. */
  readonly line?: number;
  /** 1-based. */
  readonly column?: number;
}

/** `file:line:column: message. Cure.`, leaving out what is not known. */
export function formatProblem(problem: Problem): string {
  const place = [problem.file, problem.line, problem.line === undefined ? undefined : problem.column]
    .filter((part) => part !== undefined)
    .join(':');
  const text = problem.cure === undefined ? problem.message : `${problem.message} ${problem.cure}`;
  return place === '' ? text : `${place}: ${text}`;
}

export interface ErrorOptions {
  readonly cure?: string;
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  readonly cause?: unknown;
  /** When trying again makes sense, where that is known. */
  readonly retryAfterMs?: number;
  /** Overrides the code's default, where the particular case is known better (a full disk, a vendor's 429). */
  readonly retryable?: boolean;
}

const MAX_PROBLEMS = 100;
/** A message may quote keys and names of a stranger's file, as long as they are. */
const MAX_MESSAGE_CHARACTERS = 8000;
const MAX_TEXT_CHARACTERS = 64_000;

/** Every error the host raises on purpose. */
export class GtpackError extends Error {
  override readonly name = 'GtpackError';
  readonly problems: readonly [Problem, ...Problem[]];
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    const { cause, retryable, retryAfterMs, ...place } = options;
    const problem = { code, message: cut(message, MAX_MESSAGE_CHARACTERS), ...place };
    super(formatProblem(problem), cause === undefined ? undefined : { cause });
    this.problems = [problem];
    this.retryable = retryable ?? ERROR_CODES[code].retryable;
    this.retryAfterMs = retryAfterMs;
  }

  /** One error that carries several problems, as a checked file gives them: the first 100, and how many more there were. */
  static ofProblems(problems: readonly [Problem, ...Problem[]]): GtpackError {
    const [first] = problems;
    const error = new GtpackError(first.code, first.message);
    // A stranger's file of a few kilobytes has thousands; nobody reads on after the first few.
    const told = problems
      .slice(0, MAX_PROBLEMS)
      .map((problem) => ({ ...problem, message: cut(problem.message, MAX_MESSAGE_CHARACTERS) }));
    const next = problems[MAX_PROBLEMS];
    if (next !== undefined) {
      const { cure: _cure, ...place } = next;
      told.push({ ...place, message: `There are ${problems.length - told.length} problems more.` });
    }
    error.message = cut(told.map(formatProblem).join('\n'), MAX_TEXT_CHARACTERS);
    Object.defineProperty(error, 'problems', { value: told });
    return error;
  }

  get code(): ErrorCode {
    return this.problems[0].code;
  }

  get blame(): Blame {
    return ERROR_CODES[this.code].blame;
  }

  /** HTTP status for a sender. */
  get status(): number {
    return ERROR_CODES[this.code].status;
  }
}

function cut(text: string, maxCharacters: number): string {
  return text.length > maxCharacters ? `${text.slice(0, maxCharacters)}…` : text;
}

/** The text of anything thrown, without a stack. */
export function errorMessage(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
