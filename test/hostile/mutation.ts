import fc from 'fast-check';

/** What is done to bytes that were sound. Places are shares of the length, so that they shrink and hold for every input. */
export type Mutation =
  | { readonly kind: 'flip'; readonly at: number; readonly mask: number }
  | { readonly kind: 'insert'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: 'delete'; readonly at: number; readonly length: number }
  /** A piece of another input, or of the same, in the place of what is there. */
  | { readonly kind: 'splice'; readonly at: number; readonly from: number; readonly length: number }
  | { readonly kind: 'repeat'; readonly at: number; readonly length: number; readonly times: number };

const place = fc.double({ min: 0, max: 1, noNaN: true });
const short = fc.nat({ max: 64 });

/** Bytes that mean something to one reader or another: lengths, breaks, markers, deep nesting, aliases. */
const spice = fc.constantFrom(
  ...[
    'ffffffff',
    '00000000',
    '7fffffff',
    '9f',
    'bf',
    'ff',
    '9bffffffffffffffff',
    '7b7fffffffffffffff',
    'f97e00',
  ]
    .concat([
      '504b0102',
      '504b0304',
      '504b0506',
      '504b0606',
      '504b0607',
      '504b0708',
      'efbbbf',
      'eda080',
      'c0ae',
    ])
    .map((hex) => Buffer.from(hex, 'hex')),
  ...[
    '\u0000',
    '\r\n',
    '\t',
    '"',
    '{{',
    '}}',
    '- ',
    ': ',
    '&a ',
    '*a',
    '<<: *a\n',
    '? ',
    '!!binary ',
    '%YAML 1.1\n',
  ]
    .concat(['---\n', '...\n', '__proto__: 1\n', 'constructor', '../', '[[[[[[[[', '{{{{{{{{', '-----BEGIN '])
    .map((text) => Buffer.from(text)),
);

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), at: place, mask: fc.integer({ min: 1, max: 255 }) }),
  fc.record({
    kind: fc.constant('insert' as const),
    at: place,
    bytes: fc.oneof(spice, fc.uint8Array({ maxLength: 12 })),
  }),
  fc.record({ kind: fc.constant('delete' as const), at: place, length: short }),
  fc.record({ kind: fc.constant('splice' as const), at: place, from: place, length: short }),
  fc.record({
    kind: fc.constant('repeat' as const),
    at: place,
    length: short,
    times: fc.oneof(fc.nat({ max: 8 }), fc.constant(2000)),
  }),
);

export const mutations = fc.array(mutation, { minLength: 1, maxLength: 5 });

/** @param donor gives the pieces of splices */
export function mutated(bytes: Uint8Array, changes: readonly Mutation[], donor: Uint8Array = bytes): Buffer {
  return changes.reduce<Buffer>((whole, change) => once(whole, change, donor), Buffer.from(bytes));
}

function once(whole: Buffer, change: Mutation, donor: Uint8Array): Buffer {
  const at = Math.floor(change.at * whole.length);
  switch (change.kind) {
    case 'flip':
      return Buffer.from(whole.map((byte, index) => (index === at ? byte ^ change.mask : byte)));
    case 'insert':
      return Buffer.concat([whole.subarray(0, at), change.bytes, whole.subarray(at)]);
    case 'delete':
      return Buffer.concat([whole.subarray(0, at), whole.subarray(at + change.length)]);
    case 'splice': {
      const from = Math.floor(change.from * donor.length);
      const piece = donor.subarray(from, from + change.length);
      return Buffer.concat([whole.subarray(0, at), piece, whole.subarray(at + piece.length)]);
    }
    case 'repeat': {
      const piece = whole.subarray(at, at + change.length);
      const repeated = piece.length === 0 ? piece : Buffer.alloc(piece.length * change.times, piece);
      return Buffer.concat([whole.subarray(0, at), repeated, whole.subarray(at)]);
    }
  }
}
