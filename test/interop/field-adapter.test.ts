import { expect, test } from 'vitest';
import { fieldAdapterOf } from '../../host/interop/field-adapter.ts';
import type { ComponentExtern, FunctionType, ValueType } from '../../host/pack/component-types.ts';
import type { WasmInterface } from '../../host/pack/wasm-interface.ts';

const text: ValueType = { kind: 'primitive', name: 'string' };
const bytes: ValueType = { kind: 'list', element: { kind: 'primitive', name: 'u8' }, length: undefined };

function fn(parameters: readonly ValueType[], result: ValueType): FunctionType {
  return {
    isAsync: false,
    parameters: parameters.map((type, at) => ({ name: `p${at}`, type })),
    result,
  };
}

const get = fn([text], {
  kind: 'result',
  ok: { kind: 'option', value: bytes },
  error: { kind: 'enum', names: ['not-found', 'denied'] },
});

/** A component that exports `hello` and imports interfaces with one function `get` each. */
function importing(...modules: readonly string[]): WasmInterface {
  const extern: ComponentExtern = {
    kind: 'interface',
    exports: new Map([['get', { kind: 'function', type: get }]]),
  };
  return {
    kind: 'component',
    imports: modules.map((module) => ({ module, name: '', kind: 'interface', extern })),
    exports: [{ name: 'hello', kind: 'function', extern: { kind: 'function', type: fn([], text) } }],
  };
}

test('a component that imports one interface in two versions is refused, since both would be linked as one', () => {
  expect(fieldAdapterOf(importing('a:store/secrets@1.0.0', 'a:store/secrets@1.1.0'))).toEqual([
    {
      message:
        'The component imports two versions of one interface, a:store/secrets@1.0.0 and a:store/secrets@1.1.0.',
      cure: 'Build the component against one of them.',
    },
  ]);
  expect(fieldAdapterOf(importing('a:store/secrets@1.0.0', 'b:store/secrets@1.0.0'))).toMatchObject({
    call: { kind: 'functions' },
  });
});

test('every import that nobody answers is named with its type, and so is a component that nobody can call', () => {
  const dial: ComponentExtern = {
    kind: 'interface',
    exports: new Map([['dial', { kind: 'function', type: fn([text], text) }]]),
  };
  expect(
    fieldAdapterOf({
      kind: 'component',
      imports: [{ module: 'a:phone/line@1.0.0', name: '', kind: 'interface', extern: dial }],
      exports: [],
    }),
  ).toMatchObject([
    {
      message:
        'The component imports a:phone/line@1.0.0#dial: func(p0: string) -> string, which this host does not offer.',
    },
    { message: 'The component exports no interface that this host knows how to call.' },
  ]);
});
