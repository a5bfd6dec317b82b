import { describe, expect, test } from 'vitest';
import type { Json } from '../../host/event/json.ts';
import { enterCel } from '../../host/flow/cel-value.ts';
import { ExpressionCompiler } from '../../host/flow/expression.ts';
import { compileTemplate, isTemplate, type Template, type TemplateFault } from '../../host/flow/template.ts';

const compiler = new ExpressionCompiler({ nodes: [], outputs: ['user_phone'] });

function compile(value: Json): Template {
  const compiled = compileTemplate(value, compiler);
  if (!isTemplate(compiled)) throw new Error(compiled.map((fault) => fault.message).join());
  return compiled;
}

function faults(value: Json): readonly TemplateFault[] {
  const compiled = compileTemplate(value, compiler);
  return isTemplate(compiled) ? [] : compiled;
}

function render(value: Json): Json {
  const scope = new Map([
    ['event', enterCel({ n: 7, price: 2.5, name: 'Ann', ok: true, none: null, list: [1, { a: 2 }] })],
    ['user_phone', '+15550100'],
  ]);
  return compile(value).render(scope);
}

describe('a text that is one expression keeps the type of its value', () => {
  test.each<[string, Json]>([
    ['{{ event.n }}', 7],
    ['{{event.price}}', 2.5],
    ['{{ event.ok }}', true],
    ['{{ event.none }}', null],
    ['{{ event.list }}', [1, { a: 2 }]],
    ['{{ event.name }}', 'Ann'],
    ["{{ {'a': {'b': event.n}} }}", { a: { b: 7 } }],
    ["{{ {'a': {'b': {}}}}}", { a: { b: {} } }],
    ["{{ '}}' }}", '}}'],
    ["{{ '{{' }}", '{{'],
    ['{{ "it\\"s }}" }}', 'it"s }}'],
  ])('%s', (text, expected) => {
    expect(render(text)).toEqual(expected);
  });
});

describe('in longer texts values enter as text', () => {
  test.each([
    ['Hello {{ event.name }}, {{ event.n }} of {{ event.list }}', 'Hello Ann, 7 of [1,{"a":2}]'],
    [' {{ event.n }}', ' 7'],
    ['none: {{ event.none }}.', 'none: .'],
    ['{{ event.n }}{{ event.n }}', '77'],
    ['{{user_phone}} is called', '+15550100 is called'],
    ['{ not } a }} template {', '{ not } a }} template {'],
    ['{{ event.name }}}', 'Ann}'],
  ])('%s', (text, expected) => {
    expect(render(text)).toBe(expected);
  });
});

test('texts at any depth are templates, and all else stays as it is', () => {
  expect(render({ a: ['{{ event.n }}', { b: 'x{{ event.n }}', c: 1 }], d: null, __proto__x: true })).toEqual({
    a: [7, { b: 'x7', c: 1 }],
    d: null,
    __proto__x: true,
  });
});

test('a value without an expression is constant and is not copied', () => {
  const value = { a: ['b', { c: 'd' }] };
  const template = compile(value);
  expect(template.expressions).toEqual([]);
  expect(template.render(new Map())).toBe(value);
});

test('every fault is told with its path and its place in the text', () => {
  expect(faults({ a: ['{{ x }}', 'ok', 'text {{ event. }}'], b: '{{ event.n', '{{ k }}': 1 })).toMatchObject([
    { path: ['a', 0], offset: 3 },
    { path: ['a', 2] },
    { path: ['b'], offset: 0, message: 'A {{ is not closed by }}.' },
    { path: ['{{ k }}'], message: 'A key cannot be a template.' },
  ]);
});

test('a key that is missing fails the template', () => {
  expect(() => render('Hello {{ event.nobody }}')).toThrow('no such key: nobody');
});
