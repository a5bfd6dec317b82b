/**
 * A failure that the provider means: the sender or the flow gets `code` and `message`, and the instance goes on serving. Anything
 * else that is thrown is a defect: the call fails with `guest_trap` and the instance is dropped.
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
