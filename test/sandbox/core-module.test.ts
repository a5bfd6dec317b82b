import { describe, expect, test } from 'vitest';
import { boundCoreModule } from '../../host/sandbox/core-module.ts';

const HEADER = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
const PAGE = 65_536;
const bounds = { maxMemoryBytes: 4 * PAGE };

function moduleOf(...sections: readonly (readonly number[])[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([...HEADER, ...sections.flat()]);
}

function section(id: number, ...content: number[]): number[] {
  return [id, content.length, ...content];
}

/** A module that exports a memory as `m` and a table as `t`. */
function exporting(memory: readonly number[], table: readonly number[]): Uint8Array<ArrayBuffer> {
  return moduleOf(
    section(4, 1, 0x70, ...table),
    section(5, 1, ...memory),
    section(7, 2, 1, 0x6d, 2, 0, 1, 0x74, 1, 0),
  );
}

function instantiate(bytes: Uint8Array): {
  readonly memory: WebAssembly.Memory;
  readonly table: GrowingTable;
} {
  const { m, t } = new WebAssembly.Instance(new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>)).exports;
  return { memory: m as WebAssembly.Memory, table: t as unknown as GrowingTable };
}

interface GrowingTable {
  grow(by: number): number;
}

describe('a core module', () => {
  test('without a maximum grows to the bound and no further', () => {
    const { memory, table } = instantiate(boundCoreModule(exporting([0, 1], [0, 1]), bounds, 'x.wasm'));
    expect(memory.grow(3)).toBe(1);
    expect(() => memory.grow(1)).toThrow(RangeError);
    expect(table.grow(99_999)).toBe(1);
    expect(() => table.grow(1)).toThrow(RangeError);
  });

  test('without the bound would grow on: the mechanism is what stops it', () => {
    const { memory } = instantiate(exporting([0, 1], [0, 1]));
    expect(memory.grow(10)).toBe(1);
  });

  test('keeps a smaller maximum of its own', () => {
    const { memory } = instantiate(boundCoreModule(exporting([1, 1, 2], [0, 1]), bounds, 'x.wasm'));
    expect(memory.grow(1)).toBe(1);
    expect(() => memory.grow(1)).toThrow(RangeError);
  });

  test('shares the bound among its memories', () => {
    const two = moduleOf(section(5, 2, 0, 1, 0, 1), section(7, 2, 1, 0x6d, 2, 0, 1, 0x6e, 2, 1));
    const { exports } = new WebAssembly.Instance(
      new WebAssembly.Module(boundCoreModule(two, bounds, 'x.wasm') as Uint8Array<ArrayBuffer>),
    );
    for (const memory of [exports.m, exports.n] as WebAssembly.Memory[]) {
      expect(memory.grow(1)).toBe(1);
      expect(() => memory.grow(1)).toThrow(RangeError);
    }
  });

  test.each(["a'", 'a"', 'a`', 'a\\', 'a\n', 'a\u2028', 'á'])('with the name %j is refused', (name) => {
    const bytes = [...Buffer.from(name)];
    const exporting = moduleOf(section(5, 1, 0, 1), section(7, 1, bytes.length, ...bytes, 2, 0));
    const importing = (module: readonly number[], field: readonly number[]): Uint8Array =>
      moduleOf(section(2, 1, module.length, ...module, field.length, ...field, 2, 0, 1));
    for (const bad of [exporting, importing(bytes, [0x61]), importing([0x61], bytes)]) {
      expect(() => boundCoreModule(bad, bounds, 'x.wasm')).toThrow(
        expect.objectContaining({ code: 'plugin_invalid', message: expect.stringContaining('the name') }),
      );
    }
  });

  test('is otherwise the same, byte for byte', () => {
    const typed = moduleOf(
      section(1, 1, 0x60, 1, 0x7f, 1, 0x7f),
      section(3, 1, 0),
      section(10, 1, 4, 0, 0x20, 0, 0x0b),
    );
    expect(boundCoreModule(typed, bounds, 'x.wasm')).toEqual(typed);
  });

  test.each([
    ['a minimum of 4 GiB', section(5, 1, 0, 0x80, 0x80, 0x04), 'guest_memory_too_large'],
    [
      'a table of four million elements',
      section(4, 1, 0x70, 0, 0x80, 0x80, 0x80, 0x02),
      'guest_memory_too_large',
    ],
    ['a struct type', section(1, 1, 0x5f, 0), 'plugin_invalid'],
    ['a recursive group of types', section(1, 1, 0x4e, 0), 'plugin_invalid'],
    ['a reference to a heap type as parameter', section(1, 1, 0x60, 1, 0x6e, 0), 'plugin_invalid'],
    ['a shared memory', section(5, 1, 3, 1, 1), 'plugin_invalid'],
    ['a 64-bit memory', section(5, 1, 4, 1), 'plugin_invalid'],
    ['a memory with pages of another size', section(5, 1, 8, 1, 0), 'plugin_invalid'],
    ['five memories', section(5, 5, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1), 'plugin_invalid'],
    ['ninety memories', section(5, 90, ...Array.from({ length: 90 }, () => [0, 0]).flat()), 'plugin_invalid'],
    ['an imported shared memory', section(2, 1, 1, 0x61, 1, 0x62, 2, 3, 1, 1), 'plugin_invalid'],
    ['a memory that it does not export', section(5, 1, 0, 1), 'plugin_invalid'],
    ['a section of an unknown kind', section(14, 0), 'plugin_invalid'],
    ['a section that is longer than the module', [5, 100, 1], 'plugin_invalid'],
    ['a table with an initializer', section(4, 1, 0x40, 0, 0x70, 0, 1, 0xd0, 0x70, 0x0b), 'plugin_invalid'],
  ])('with %s is refused', (_, bad, code) => {
    expect(() => boundCoreModule(moduleOf(bad), bounds, 'x.wasm')).toThrow(expect.objectContaining({ code }));
  });
});
