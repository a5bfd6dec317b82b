import { GtpackError } from '../../errors.ts';

/** What a grant does not allow, with the line that would. @param line as it would stand in the grant: `to: ["*@example.com"]` */
export function vendorDenied(capability: string, source: string, message: string, line: string): GtpackError {
  return new GtpackError('capability_denied', message, {
    cure: `To allow it, add to the grants of ${source} in the bundle: ${capability}: { ${line} }`,
  });
}

/** For a function that sdk/wit does not have. */
export function unknownFunction(capability: string, fn: string): GtpackError {
  return new GtpackError(
    'effect_failed',
    `The function ${capability}.send was expected; ${JSON.stringify(fn.slice(0, 64))} came.`,
    { retryable: false },
  );
}
