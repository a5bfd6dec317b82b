import type { Row } from './row.ts';
import { calls } from './rows/calls.ts';
import { cold } from './rows/cold.ts';
import { delivery } from './rows/delivery.ts';
import { evaluations } from './rows/evaluations.ts';
import { extism } from './rows/extism.ts';
import { ingress } from './rows/ingress.ts';
import { outbound } from './rows/outbound.ts';
import { packs } from './rows/packs.ts';
import { providers } from './rows/providers.ts';
import { result } from './rows/result.ts';
import { runs } from './rows/runs.ts';
import { scale } from './rows/scale.ts';
import { schedules } from './rows/schedules.ts';
import { signatures } from './rows/signatures.ts';

/** In the order in which they run. */
export const ROWS: readonly Row[] = [
  ingress,
  calls,
  extism,
  providers,
  outbound,
  result,
  delivery,
  scale,
  cold,
  evaluations,
  runs,
  packs,
  signatures,
  schedules,
];
