/**
 * A failure that the provider means, or that a function of the host answered with. Thrown out of the provider, the sender or the flow
 * gets `code` and `message`, and the instance goes on serving. Anything else that is thrown is a defect: the call fails with
 * `guest_trap` and the instance is dropped.
 */
export class ProviderProblem extends Error {
  override readonly name = 'ProviderProblem';
  /** snake_case, at most 64 characters. */
  readonly code: string;
  /** Whether the same call, made again later, may succeed. Default false. */
  readonly retryable: boolean;

  constructor(code: string, message: string, options: { readonly retryable?: boolean } = {}) {
    super(message);
    this.code = code;
    this.retryable = options.retryable ?? false;
  }
}

/** The record that crosses, in both directions. */
interface ProblemRecord {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
}

/** The problem that was thrown: by a provider, or by a function of the host, whose record comes as an Error's `payload`. */
export function problemOf(thrown: unknown): ProblemRecord | undefined {
  if (isProblem(thrown)) return thrown;
  if (thrown instanceof Error && 'payload' in thrown && isProblem(thrown.payload)) return thrown.payload;
  return undefined;
}

function isProblem(value: unknown): value is ProblemRecord {
  return (
    typeof value === 'object' &&
    value !== null &&
    'code' in value &&
    typeof value.code === 'string' &&
    'message' in value &&
    typeof value.message === 'string' &&
    'retryable' in value &&
    typeof value.retryable === 'boolean'
  );
}
