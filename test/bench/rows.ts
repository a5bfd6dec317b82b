import type { Row } from './row.ts';
import { calls } from './rows/calls.ts';
import { cold } from './rows/cold.ts';
import { evaluations } from './rows/evaluations.ts';
import { ingress } from './rows/ingress.ts';
import { result } from './rows/result.ts';

/** In the order in which they run. */
export const ROWS: readonly Row[] = [ingress, calls, result, cold, evaluations];
