import { type Buffer, isUtf8 } from 'node:buffer';
import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from 'node:zlib';
import { GtpackError } from '../../errors.ts';
import { endToEnd, joined, valuesOf } from './header.ts';
import { ByteSink, type HttpResponse, responseTooLarge } from './response.ts';
import { Turns } from './turns.ts';

export interface UnpackOptions {
  readonly origin: string;
  /** Of what each unpacking gives. */
  readonly maxBodyBytes: number;
  readonly hold: (bytes: number) => void;
  readonly signal: AbortSignal;
}

/** A brotli decoder may take 16 MiB for its window, whatever comes out of it. */
const UNPACKED_AT_ONCE = 8;
/** Nobody packs twice by mistake more than once. */
const MAX_CODINGS = 2;

type Decoder = ReturnType<typeof createGunzip | typeof createBrotliDecompress>;

/** Takes `Content-Encoding` off bodies, counting what comes out. */
export class Unpacker {
  readonly #turns = new Turns(UNPACKED_AT_ONCE);

  /**
   * A coding that this host does not know stays, with its header.
   * @throws GtpackError `http_response_too_large`, `http_response_invalid`, `http_busy`; the signal's reason
   */
  async unpack(response: HttpResponse, options: UnpackOptions): Promise<HttpResponse> {
    const codings = codingsOf(response);
    if (response.body.length === 0 || codings.length === 0) return response;
    if (codings.length > MAX_CODINGS) {
      throw new GtpackError(
        'http_response_invalid',
        `${options.origin} packed its response ${codings.length} times.`,
      );
    }
    let { body } = response;
    for (const coding of codings.toReversed()) {
      const create = DECODERS.get(coding);
      if (create === undefined) return response;
      const packed = body;
      body = await this.#turns.take(() => decode(packed, create(packed), options));
    }
    const headers = response.headers.filter(
      ([name]) => name !== 'content-encoding' && name !== 'content-length',
    );
    return { ...response, headers, body };
  }
}

const DECODERS: ReadonlyMap<string, (packed: Buffer) => Decoder> = new Map<
  string,
  (packed: Buffer) => Decoder
>([
  ['gzip', () => createGunzip()],
  ['x-gzip', () => createGunzip()],
  ['br', () => createBrotliDecompress()],
  // Some servers leave out zlib's header, whose low four bits are 8.
  ['deflate', (packed: Buffer) => (((packed[0] ?? 0) & 15) === 8 ? createInflate() : createInflateRaw())],
]);

function codingsOf({ headers }: HttpResponse): string[] {
  return valuesOf(headers, 'content-encoding')
    .flatMap((value) => value.split(','))
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== '' && coding !== 'identity');
}

async function decode(packed: Buffer, decoder: Decoder, options: UnpackOptions): Promise<Buffer> {
  const sink = new ByteSink();
  decoder.end(packed);
  try {
    for await (const chunk of decoder as AsyncIterable<Buffer>) {
      options.signal.throwIfAborted();
      if (sink.length + chunk.length > options.maxBodyBytes) {
        throw responseTooLarge(options.origin, options.maxBodyBytes);
      }
      options.hold(chunk.length);
      sink.append(chunk);
    }
  } catch (error) {
    options.signal.throwIfAborted();
    if (error instanceof GtpackError) throw error;
    throw new GtpackError('http_response_invalid', `The response of ${options.origin} cannot be unpacked.`, {
      cause: error,
    });
  } finally {
    decoder.destroy();
  }
  return sink.take();
}

/** The result of `send`, as sdk/wit has it. */
export function responseJson({ status, headers, body }: HttpResponse): string {
  const encoding = isUtf8(body) ? 'utf8' : 'base64';
  return JSON.stringify({
    status,
    headers: joined(endToEnd(headers)),
    body: body.toString(encoding),
    body_encoding: encoding,
  });
}
