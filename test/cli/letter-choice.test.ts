import { expect, test } from 'vitest';
import type { DeadLetterHead } from '../../host/bus/records.ts';
import { allLetters } from '../../host/cli/letter-choice.ts';
import { parseEventType, parseTenantId } from '../../host/event/names.ts';

const PAGE = 2;

function letterOf(position: number, diedAt: number): DeadLetterHead {
  const tenant = parseTenantId('acme');
  const type = parseEventType('order.created');
  return {
    ...{ tenant, position, id: `event-${position}`, type, reason: 'no', attempts: 1 },
    ...{ storedAt: 0, diedAt, runs: [] },
  };
}

/** A store whose letters lie in the order in which they were buried. */
function storeOf(...letters: DeadLetterHead[]) {
  const records = {
    letters: async ({ order, after }: { readonly order: string; readonly after?: string }) => {
      if (order === 'newest') return { items: letters.slice(-1), next: null };
      const left = letters.filter(({ position }) => position > Number(after ?? 0));
      const items = left.slice(0, PAGE);
      return { items, next: left.length > PAGE ? String(items.at(-1)?.position) : null };
    },
    letter: async ({ position }: { readonly position: number }) => {
      const head = letters.find((letter) => letter.position === position);
      return head === undefined ? null : { ...head, eventJson: '{}', runsJson: '[]' };
    },
  };
  return { records, letters };
}

test('all letters are those that were there, also where the clocks of the hosts that buried them differ', async () => {
  const { records, letters } = storeOf(
    ...[letterOf(1, 100), letterOf(2, 900), letterOf(3, 300), letterOf(4, 400), letterOf(5, 500)],
  );
  const found: number[] = [];
  for await (const batch of allLetters(records, {})) {
    found.push(...batch.map(({ position }) => position));
    // A replay that failed again.
    letters.push(letterOf(letters.length + 1, 450));
  }
  expect(found).toEqual([1, 2, 3, 4, 5]);
});

test('they come to an end where somebody else takes the last one away, while what is replayed dies again and again', async () => {
  const { records, letters } = storeOf(
    letterOf(1, 100),
    letterOf(2, 200),
    letterOf(3, 300),
    letterOf(4, 400),
  );
  const found: number[] = [];
  for await (const batch of allLetters(records, {})) {
    found.push(...batch.map(({ position }) => position));
    letters.splice(3, 1);
    for (let count = 0; count < PAGE; count += 1) {
      const position = (letters.at(-1)?.position ?? 0) + 2;
      letters.push(letterOf(position, 1000 + position));
    }
  }
  expect(found).toEqual([1, 2, 3]);
});
