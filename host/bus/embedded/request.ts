import { GtpackError } from '../../errors.ts';
import { laneOf } from './lane.ts';
import type { StoreConnection } from './store-connection.ts';
import type { Operation, OperationKind, OperationOf, Results } from './wire.ts';

/**
 * One operation, its answer as a promise; refused at once where too much waits.
 * @param bytes that its texts take in memory
 * @param then is called with the result in the turn of the commit
 * @throws GtpackError `bus_unavailable`
 */
export function request<K extends OperationKind>(
  store: StoreConnection,
  operation: OperationOf<K>,
  bytes: number,
  then: (result: Results[K]) => void = () => undefined,
): Promise<Results[K]> {
  if (!store.hasRoom(laneOf(operation as Operation), bytes)) return Promise.reject(overfull());
  return new Promise((resolve, reject) => {
    store.submit<K>(operation, bytes, (answer) => {
      if (!answer.ok) {
        reject(answer.error);
        return;
      }
      then(answer.result);
      resolve(answer.result);
    });
  });
}

export function overfull(): GtpackError {
  return new GtpackError('bus_unavailable', 'More waits to be stored than the bus holds in memory.', {
    cure: 'Send again a little later.',
  });
}
