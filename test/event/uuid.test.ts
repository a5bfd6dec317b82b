import { expect, test } from 'vitest';
import { hexSource } from '../../host/event/hex-source.ts';
import { uuidv7Source } from '../../host/event/uuid.ts';

const V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test('an id has the form of RFC 9562, version 7, and begins with its time', () => {
  const id = uuidv7Source()(0x017f22e279b0);
  expect(id).toMatch(V7);
  expect(id.startsWith('017f22e2-79b0-7')).toBe(true);
});

test('with all random bits set the id is the largest of its counter', () => {
  const ones = uuidv7Source(hexSource((bytes) => bytes.fill(0xff)));
  expect(ones(0)).toBe('00000000-0000-77ff-bfff-ffffffffffff');
  const zeros = uuidv7Source(hexSource((bytes) => bytes.fill(0)));
  expect(zeros(1)).toBe('00000000-0001-7000-8000-000000000000');
});

test('ids of one source rise, within a millisecond, past its counter, and when the clock goes back', () => {
  const next = uuidv7Source();
  const ids = [
    ...Array.from({ length: 20_000 }, () => next(1_764_000_000_000)),
    ...Array.from({ length: 100 }, (_, index) => next(1_764_000_000_000 - index)),
    ...Array.from({ length: 100 }, (_, index) => next(1_764_000_000_100 + index)),
  ];
  expect(ids.every((id, index) => id > (ids[index - 1] ?? ''))).toBe(true);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.every((id) => V7.test(id))).toBe(true);
});

test('the generator is asked once for many ids', () => {
  let draws = 0;
  const next = uuidv7Source(
    hexSource((bytes) => {
      draws += 1;
      bytes.fill(draws);
    }),
  );
  for (let count = 0; count < 200; count += 1) next(1);
  expect(draws).toBe(1);
});

test('no two draws give the same digits', () => {
  const hex = hexSource();
  const drawn = Array.from({ length: 1000 }, () => hex(16));
  expect(drawn.every((digits) => /^[0-9a-f]{32}$/.test(digits))).toBe(true);
  expect(new Set(drawn).size).toBe(1000);
});
