import { expect, test } from 'vitest';
import { roomWithinShare, SharedAmount } from '../../host/fairness/share.ts';
import { TurnQueue } from '../../host/fairness/turn-queue.ts';

/** Takes one at a time while there is room. */
function takeAll(amount: SharedAmount, tenant: string): number {
  while (amount.hasRoom(tenant, 1)) amount.add(tenant, 1);
  return amount.ownOf(tenant);
}

test('a tenant may have as much as it leaves free for others, and the sum stays within its bound', () => {
  const amount = new SharedAmount(1000);
  expect(takeAll(amount, 'a')).toBe(500);
  expect(takeAll(amount, 'b')).toBe(250);
  expect(takeAll(amount, 'c')).toBe(125);
  for (let at = 0; at < 100; at += 1) takeAll(amount, `t${at}`);
  expect(amount.inAll).toBeLessThanOrEqual(1000);
});

test('whatever a hundred others took, the next tenant finds room for a little', () => {
  const amount = new SharedAmount(10 * 1024);
  expect(takeAll(amount, 'a')).toBe(4480);
  for (let at = 0; at < 100; at += 1) takeAll(amount, `t${at}`);
  expect(takeAll(amount, 'next')).toBeGreaterThanOrEqual(10);
  for (let at = 0; at < 1000; at += 1) takeAll(amount, `u${at}`);
  expect(amount.inAll).toBeLessThanOrEqual(10 * 1024);
});

test('what may be taken at once is what may be taken one by one', () => {
  for (const max of [64, 10 * 1024])
    for (const others of [0, 1, 20, 55, 63, 64]) {
      const amount = new SharedAmount(max);
      amount.add('others', others);
      const room = roomWithinShare(0, others, max);
      expect(room).toBe(takeAll(amount, 'a'));
      expect(roomWithinShare(amount.ownOf('a'), amount.inAll, max)).toBe(0);
    }
});

test('what is given back is there for whoever has less', () => {
  const amount = new SharedAmount(8);
  takeAll(amount, 'a');
  takeAll(amount, 'b');
  expect([amount.ownOf('a'), amount.ownOf('b'), amount.hasRoom('a', 1)]).toEqual([4, 2, false]);
  amount.remove('a', 4);
  expect(takeAll(amount, 'b')).toBe(4);
  expect(amount.ownOf('a')).toBe(0);
});

test('one that is larger than what is free is refused, and nothing of it was taken', () => {
  const amount = new SharedAmount(10);
  expect(amount.hasRoom('a', 11)).toBe(false);
  expect(amount.hasRoom('a', 10)).toBe(true);
  expect(amount.inAll).toBe(0);
});

test('lanes take turns, one of each, whatever one of them holds, and each is in order', () => {
  const queue = new TurnQueue<string>();
  for (let at = 1; at <= 1000; at += 1) queue.push('loud', `loud ${at}`);
  queue.push('a', 'a 1');
  queue.push('a', 'a 2');
  queue.push('b', 'b 1');
  expect(queue.length).toBe(1003);
  const first = Array.from({ length: 6 }, () => [queue.peek(), queue.take()]);
  expect(first.every(([seen, taken]) => seen === taken)).toBe(true);
  expect(first.map(([, taken]) => taken)).toEqual(['loud 1', 'a 1', 'b 1', 'loud 2', 'a 2', 'loud 3']);
  // Whoever comes later waits for one of each of the others.
  queue.push('c', 'c 1');
  expect([queue.take(), queue.take()]).toEqual(['loud 4', 'c 1']);
  expect(queue.drain()).toEqual(Array.from({ length: 996 }, (_, at) => `loud ${at + 5}`));
  expect([queue.length, queue.take(), queue.peek()]).toEqual([0, undefined, undefined]);
});
