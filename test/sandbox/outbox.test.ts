import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { CellOutbox } from '../../host/sandbox/outbox.ts';

const numbers = (count: number, from = 0): number[] => Array.from({ length: count }, (_, at) => from + at);

function open() {
  const batches: (readonly [cell: number, messages: readonly number[]])[][] = [];
  const outbox = new CellOutbox<number>((groups) =>
    batches.push(groups.map(({ cell, messages }) => [cell, messages])),
  );
  return { outbox, batches };
}

test('what comes in one turn goes as one batch, by cell', async () => {
  const { outbox, batches } = open();
  outbox.push(1, [1]);
  outbox.push(2, [2]);
  outbox.push(1, [3]);
  expect(batches).toEqual([]);
  await nextTurn();
  expect(batches).toEqual([
    [
      [1, [1, 3]],
      [2, [2]],
    ],
  ]);
  outbox.push(1, numbers(1000));
  await nextTurn();
  // Nobody waits for it.
  expect(batches[1]).toEqual([[1, numbers(1000)]]);
});

test('a cell with much to say takes turns with the others, and each keeps its order', async () => {
  const { outbox, batches } = open();
  outbox.push(1, numbers(150));
  outbox.push(2, [7]);
  await nextTurn();
  expect(batches).toEqual([
    [
      [1, numbers(64)],
      [2, [7]],
    ],
  ]);
  // Who comes now goes with the next 64, not after all of them.
  outbox.push(3, [9]);
  await nextTurn();
  expect(batches[1]).toEqual([
    [1, numbers(64, 64)],
    [3, [9]],
  ]);
  outbox.push(1, [1000]);
  await nextTurn();
  expect(batches[2]).toEqual([[1, [...numbers(22, 128), 1000]]]);
  await nextTurn();
  expect(batches).toHaveLength(3);
});

test('a flush sends all of it at once', async () => {
  const { outbox, batches } = open();
  outbox.push(1, numbers(200));
  outbox.push(2, [7]);
  outbox.flush();
  expect(batches.flat().flatMap(([cell, messages]) => (cell === 1 ? messages : []))).toEqual(numbers(200));
  const before = batches.length;
  await nextTurn();
  expect(batches).toHaveLength(before);
});
