import { errorMessage, GtpackError } from '../../errors.ts';
import { type ConsumerMessages, DeliverPolicy, type JsMsg, type Msg, type Subscription } from './client.ts';
import type { KeptStream } from './kept-stream.ts';

/** A timer as it lies on the stream. */
export interface TimerMessage {
  readonly subject: string;
  readonly sequence: number;
  readonly text: string;
}

export interface TimerListener {
  /** In the order of the stream; also what this host set itself. */
  readonly stored: (message: TimerMessage) => void;
  /** Another host says that it took the timer away. It may say so in vain: what is due is looked at again. */
  readonly dropped: (subject: string, sequence: number) => void;
}

/** What the server stored it tells in no time, unless the connection is lost. */
const MAX_LAG_MS = 5000;

/**
 * What all hosts do to timers, from the first that is there. After a connection was lost the client goes on where it was,
 * and finds what it missed. That a timer is gone is said beside the stream: taking a message away leaves nothing on it.
 */
export class TimerFeed {
  readonly #stream: KeptStream;
  readonly #listener: TimerListener;
  readonly #goneSubject: string;
  /** The last message that it heard. */
  #heard = 0;
  readonly #expected = new Set<{ readonly sequence: number; readonly resolve: () => void }>();
  #messages: ConsumerMessages | undefined;
  #gone: Subscription | undefined;

  constructor(stream: KeptStream, listener: TimerListener) {
    this.#stream = stream;
    this.#listener = listener;
    this.#goneSubject = `greentic.host.${stream.connection.env}.gone`;
  }

  /** Resolves once all that is there has been heard. @throws GtpackError `bus_unavailable` */
  async start(): Promise<void> {
    const { connection, name, allTimers } = this.#stream;
    this.#gone = connection.subscribe(this.#goneSubject, (message) => this.#heardGone(message));
    try {
      const consumer = await connection.jetstream.consumers.get(name, {
        filter_subjects: allTimers,
        deliver_policy: DeliverPolicy.LastPerSubject,
      });
      const caughtUp = Promise.withResolvers<void>();
      const { num_pending: pending } = await consumer.info();
      if (pending === 0) caughtUp.resolve();
      this.#messages = await consumer.consume({
        callback: (message: JsMsg) => {
          const { subject, seq: sequence } = message;
          this.#listener.stored({ subject, sequence, text: message.string() });
          this.#hears(sequence);
          if (message.info.pending === 0) caughtUp.resolve();
        },
      });
      void this.#messages.closed().then((error) => {
        if (error) caughtUp.reject(error);
      });
      await caughtUp.promise;
    } catch (cause) {
      await this.close();
      throw new GtpackError('bus_unavailable', `The timers cannot be read: ${errorMessage(cause)}.`, {
        cause,
      });
    }
  }

  /** Resolves once a message of the stream has been heard. @throws GtpackError `bus_unavailable` where that takes too long */
  async until(sequence: number): Promise<void> {
    if (sequence <= this.#heard) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const expected = { sequence, resolve };
    this.#expected.add(expected);
    const timer = setTimeout(
      () => reject(new GtpackError('bus_unavailable', 'The NATS server does not tell what is kept.')),
      MAX_LAG_MS,
    );
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#expected.delete(expected);
    }
  }

  #hears(sequence: number): void {
    this.#heard = sequence;
    for (const expected of this.#expected) if (expected.sequence <= sequence) expected.resolve();
  }

  tellGone(subject: string, sequence: number): void {
    this.#stream.connection.send(this.#goneSubject, `${sequence} ${subject}`);
  }

  async close(): Promise<void> {
    this.#messages?.stop();
    this.#messages = undefined;
    if (this.#gone?.isClosed() === false) this.#gone.unsubscribe();
    this.#gone = undefined;
  }

  #heardGone(message: Msg): void {
    const text = message.string();
    const end = text.indexOf(' ');
    const sequence = Number(text.slice(0, end));
    if (Number.isSafeInteger(sequence)) this.#listener.dropped(text.slice(end + 1), sequence);
  }
}
