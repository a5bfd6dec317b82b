import { Buffer } from 'node:buffer';
import { createServer } from 'node:net';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GtpackError } from '../../../host/errors.ts';
import { local, open, outside, send } from './outside.ts';

const seeds = [
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n5;a=b\r\nhello\r\n0\r\nx: y\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\nKeep-Alive: timeout=1\r\n\r\n',
  'HTTP/1.0 302 Found\r\nLocation: /next\r\nConnection: close\r\n\r\nbye',
  'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nuntil the end',
].map((text) => Buffer.from(text, 'latin1'));
const body = gzipSync('hello hello');
const head = `HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: ${body.length}\r\n\r\n`;
const packed = Buffer.concat([Buffer.from(head), body]);

const edit = fc.record({
  at: fc.nat(200),
  drop: fc.nat(4),
  put: fc.oneof(
    fc.constantFrom(
      '\r\n',
      '\r\n\r\n',
      '\0',
      ':',
      'HTTP/1.1 ',
      '0\r\n\r\n',
      '99999999999',
      '-1',
      ' ',
      '\n',
      '1xx',
    ),
    fc.string({ maxLength: 4, unit: 'binary' }),
  ),
});
const talk = fc.record({
  text: fc.constantFrom(...seeds, packed),
  edits: fc.array(edit, { maxLength: 4 }),
  cuts: fc.array(fc.nat(200), { maxLength: 4 }),
  ending: fc.constantFrom('end', 'reset', 'stay'),
  method: fc.constantFrom('GET', 'HEAD', 'POST'),
});

function edited(text: Buffer, edits: readonly { at: number; drop: number; put: string }[]): Buffer {
  return edits.reduce(
    (bytes, { at, drop, put }) =>
      Buffer.concat([bytes.subarray(0, at), Buffer.from(put, 'latin1'), bytes.subarray(at + drop)]),
    text,
  );
}

test('whatever a server says, the call ends in an answer or a named problem, and the host goes on', async () => {
  let script: { readonly pieces: readonly Buffer[]; readonly ending: string } = { pieces: [], ending: 'end' };
  const server = await outside(
    createServer((socket) => {
      socket.setNoDelay();
      socket.on('data', () => {
        const { pieces, ending } = script;
        const say = (at: number): void => {
          const piece = pieces[at];
          if (piece !== undefined) socket.write(piece, () => setImmediate(() => say(at + 1)));
          else if (ending === 'end') socket.end();
          else if (ending === 'reset') socket.resetAndDestroy();
        };
        say(0);
      });
    }),
  );
  const capability = open();
  const allowed = local({ timeout: '10ms', redirects: 2 });
  await fc.assert(
    fc.asyncProperty(talk, async ({ text, edits, cuts, ending, method }) => {
      const bytes = edited(text, edits);
      const at = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
      script = { pieces: at.slice(1).map((end, index) => bytes.subarray(at[index], end)), ending };
      const result = await send(capability, allowed, { url: server.origin, method }).catch(
        (error: unknown) => error,
      );
      if (result instanceof Error) expect(result).toBeInstanceOf(GtpackError);
    }),
    { numRuns: 100 },
  );
});
