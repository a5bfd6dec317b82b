/** How frames of the bootstrap are named in a stack; no place in an error lies there. */
export const BOOTSTRAP_FILE = 'gtpack:bootstrap';

/**
 * JavaScript that prepares every context, evaluated once, before anything a flow's author wrote. Its value is a
 * function `(print, maxLines, maxLineLength) => functions`.
 *
 * It captures the built-ins that it needs, so that a script that replaces or pollutes them deceives only itself.
 */
export const BOOTSTRAP_SOURCE = `(print, maxLines, maxLineLength) => {
  'use strict';
  const { parse, stringify } = JSON;
  const { defineProperty, freeze, keys, hasOwn, is } = Object;
  const { apply, defineProperty: tryDefineProperty } = Reflect;
  const isArray = Array.isArray;
  const toText = String;
  const { slice: sliceString, charCodeAt } = String.prototype;
  const { imul } = Math;
  const NativeError = Error, NativeTypeError = TypeError;
  const evaluate = eval;

  const cut = (text, length) => text.length > length ? apply(sliceString, text, [0, length]) + '…' : text;

  // Undefined while helpers are loaded: what they made of random numbers, all runs would share.
  let seed;
  let random;
  const startRandom = () => {
    if (seed === undefined) {
      throw new NativeError('Math.random() has no seed while a helper module is loaded: call it inside a function');
    }
    // cyrb128 makes four words of the seed, sfc32 numbers of the words.
    let a = 1779033703, b = 3144134277, c = 1013904242, d = 2773480762;
    for (let i = 0; i < seed.length; i++) {
      const unit = apply(charCodeAt, seed, [i]);
      a = b ^ imul(a ^ unit, 597399067);
      b = c ^ imul(b ^ unit, 2869860233);
      c = d ^ imul(c ^ unit, 951274213);
      d = a ^ imul(d ^ unit, 2716044179);
    }
    a = imul(c ^ (a >>> 18), 597399067);
    b = imul(d ^ (b >>> 22), 2869860233);
    c = imul(a ^ (c >>> 17), 951274213);
    d = imul(b ^ (d >>> 19), 2716044179);
    return () => {
      const t = (((a + b) | 0) + d) | 0;
      d = (d + 1) | 0;
      a = b ^ (b >>> 9);
      b = (c + (c << 3)) | 0;
      c = (c << 21) | (c >>> 11);
      c = (c + t) | 0;
      return (t >>> 0) / 4294967296;
    };
  };
  defineProperty(Math, 'random', {
    __proto__: null, configurable: true, writable: true, enumerable: false,
    value: { random() { random ??= startRandom(); return random(); } }.random,
  });

  let lines = 0;
  const show = (value) => {
    if (typeof value === 'object' && value !== null) {
      return value instanceof NativeError ? value.name + ': ' + value.message : (stringify(value) ?? toText(value));
    }
    return toText(value);
  };
  const writer = (level) => (...values) => {
    if (lines > maxLines) return;
    lines++;
    if (lines > maxLines) {
      print('warn', 'the console ends here: a run may write ' + maxLines + ' lines');
      return;
    }
    let line = '';
    for (let i = 0; i < values.length && line.length <= maxLineLength; i++) {
      let piece;
      try { piece = toText(show(values[i])); } catch { piece = '[a value that cannot be shown]'; }
      line += i === 0 ? piece : ' ' + piece;
    }
    print(level, cut(line, maxLineLength));
  };
  const console = {};
  for (const [name, level] of [['debug', 'debug'], ['log', 'info'], ['info', 'info'], ['warn', 'warn'], ['error', 'error']]) {
    console[name] = writer(level);
  }
  defineProperty(globalThis, 'console', {
    __proto__: null, configurable: true, writable: true, enumerable: false, value: console,
  });

  const deepFreeze = (value) => {
    if (typeof value !== 'object' || value === null) return value;
    if (isArray(value)) {
      for (let i = 0; i < value.length; i++) deepFreeze(value[i]);
    } else {
      const names = keys(value);
      for (let i = 0; i < names.length; i++) deepFreeze(value[names[i]]);
    }
    return freeze(value);
  };
  // Configurable, so that a script may declare a name of its own; without a setter, so that it cannot assign.
  const defineGlobal = (name, get) =>
    defineProperty(globalThis, name, { __proto__: null, configurable: true, enumerable: true, get });
  // Parsed at first use: what a script does not read costs nothing.
  const defineInput = (name, text) => {
    let value;
    let pending = true;
    defineGlobal(name, () => {
      if (pending) {
        value = deepFreeze(parse(text));
        pending = false;
      }
      return value;
    });
  };

  const owners = { __proto__: null };
  const exported = { __proto__: null };
  const refuse = (what, cure) => { throw new NativeTypeError('the value is ' + what + ', which JSON does not have: ' + cure); };
  const refusing = (what, cure) => ({
    __proto__: null, configurable: true, writable: true, enumerable: false, value() { refuse(what, cure); },
  });
  const refusals = [
    [Function.prototype, refusing('or holds a function', 'call it, or leave it out')],
    [Promise.prototype, refusing('or holds a promise', 'await it in an async function whose call is the last expression')],
    [Map.prototype, refusing('or holds a Map', 'use Object.fromEntries(map)')],
    [Set.prototype, refusing('or holds a Set', 'use [...set]')],
  ];

  return {
    // The exports of a helper module become globals; live, as imports are.
    expose(file, namespace) {
      const names = keys(namespace);
      for (let i = 0; i < names.length; i++) {
        const name = names[i];
        if (name === 'default') continue;
        if (hasOwn(owners, name)) {
          if (is(exported[name], namespace[name])) continue;
          throw new NativeTypeError("'" + name + "' is exported by " + owners[name] + ' and by ' + file);
        }
        owners[name] = file;
        exported[name] = namespace[name];
        defineGlobal(name, () => namespace[name]);
      }
    },

    begin(source, runSeed, ...inputs) {
      seed = runSeed;
      for (let i = 0; i < inputs.length; i += 2) defineInput(inputs[i], inputs[i + 1]);
      return evaluate(source);
    },

    finish(value) {
      if (typeof value === 'symbol') refuse('a symbol', 'use its description');
      for (let i = 0; i < refusals.length; i++) tryDefineProperty(refusals[i][0], 'toJSON', refusals[i][1]);
      return stringify(value) ?? 'null';
    },

    // Without a prototype, or a script's Object.prototype.toJSON would decide what the host reads.
    describe(thrown) {
      const about = { __proto__: null, name: '', message: 'a value that cannot be shown', stack: '' };
      try {
        if (thrown instanceof NativeError) {
          about.name = cut(toText(thrown.name), 100);
          about.message = cut(toText(thrown.message), 500);
          about.stack = cut(toText(thrown.stack), 20000);
        } else {
          about.message = cut(toText(show(thrown)), 500);
        }
      } catch {}
      return stringify(about);
    },
  };
}`;
