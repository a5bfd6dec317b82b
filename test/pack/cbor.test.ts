import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CborFault, decodeCbor, encodeCbor } from '../../host/pack/cbor.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));

describe('arrays and maps that end with a break', () => {
  test.each<[string, string, unknown]>([
    ['an empty array', '9fff', []],
    ['an empty map', 'bfff', {}],
    ['an array of values', '9f 01 61 61 ff', [1, 'a']],
    ['a map in an array with a length', '82 bf 61 61 01 ff 02', [{ a: 1 }, 2]],
    ['arrays in arrays', '9f 9f ff 9f 01 ff ff', [[], [1]]],
    ['an array with a length in one without', '9f 82 01 02 80 ff', [[1, 2], []]],
    ['a map whose values are open-ended', 'bf 61 61 9f ff 61 62 bf ff ff', { a: [], b: {} }],
  ])('%s', (_title, bytes, value) => {
    expect(decodeCbor(hex(bytes))).toEqual(value);
  });

  test.each<[string, string, string]>([
    ['that never end', '9f 01', 'it ends in the middle'],
    ['with a key and no value', 'bf 61 61 ff', 'not enough entries'],
    ['with the same key twice', 'bf 61 61 01 61 61 02 ff', 'repeat map key'],
    ['with bytes after their break', '9f ff 00', '1 bytes follow its end'],
  ])('%s are refused', (_title, bytes, message) => {
    expect(() => decodeCbor(hex(bytes))).toThrow(CborFault);
    expect(() => decodeCbor(hex(bytes))).toThrow(message);
  });

  test('nest no deeper, and hold no more values, than those with a length', () => {
    expect(() => decodeCbor(Uint8Array.from([...Array(65).fill(0x9f), ...Array(65).fill(0xff)]))).toThrow(
      'it nests deeper than 64 levels',
    );
    const long = new Uint8Array(100_003).fill(0x00);
    long[0] = 0x9f;
    long[100_002] = 0xff;
    expect(() => decodeCbor(long)).toThrow('it has more than 100000 values');
  });
});

describe('is refused', () => {
  test.each<[string, string, string]>([
    ['a break where nothing ends', 'ff', 'there is a break at byte 0'],
    ['a break in an array with a length', '81 ff', 'there is a break at byte 1'],
    ['a text in pieces', '7f 61 61 ff', 'there is a text or byte string in pieces at byte 0'],
    ['bytes in pieces', '5f 41 61 ff', 'there is a text or byte string in pieces at byte 0'],
    ['a tag of no length', 'df', 'there is a text or byte string in pieces'],
    ['a huge length', '9b ff ff ff ff ff ff ff ff', 'has more items than bytes follow'],
    ['nothing', '', 'it ends in the middle'],
  ])('%s', (_title, bytes, message) => {
    expect(() => decodeCbor(hex(bytes))).toThrow(message);
  });
});

const json = fc.jsonValue({ maxDepth: 4 }).filter((value) => JSON.stringify(value) !== undefined);

test('what is written is read back', () => {
  fc.assert(
    fc.property(json, (value) => {
      // JSON has one zero, and so has what is written.
      const plain = JSON.parse(JSON.stringify(value));
      expect(decodeCbor(encodeCbor(plain))).toEqual(plain);
    }),
  );
});

test('bytes of any kind are read or refused with a reason', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      try {
        decodeCbor(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(CborFault);
      }
    }),
    { numRuns: 2000 },
  );
});
