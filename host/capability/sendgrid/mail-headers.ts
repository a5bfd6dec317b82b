import type { Json } from '../../event/json.ts';
import { isHeaderName } from '../../grant/header-names.ts';
import { below, type DocumentReader } from '../vendor/document.ts';

/**
 * Headers that say who sends, who gets, or how the rest is to be read. The vendor refuses some of them itself; `x-smtpapi`
 * is how its SMTP door takes recipients, and the others lead answers and reports to where no grant says.
 */
const RESERVED = new Set([
  ...['to', 'cc', 'bcc', 'apparently-to', 'from', 'sender', 'reply-to', 'mail-reply-to', 'mail-followup-to'],
  ...['subject', 'return-path', 'envelope-to', 'delivered-to', 'errors-to', 'return-receipt-to'],
  ...['disposition-notification-to', 'x-confirm-reading-to', 'x-smtpapi', 'x-sg-id', 'x-sg-eid', 'received'],
  ...['dkim-signature', 'domainkey-signature', 'authentication-results', 'content-type', 'mime-version'],
  ...['content-transfer-encoding', 'content-disposition', 'content-id', 'message-id', 'date'],
]);

const isReserved = (name: string): boolean => RESERVED.has(name) || /^(?:resent-|arc-|x-sg-)/.test(name);

/** @throws GtpackError of the reader, naming the header */
export function readHeaders(reader: DocumentReader, json: Json, path: string): void {
  const seen = new Set<string>();
  for (const [written, value] of Object.entries(reader.texts(json, path))) {
    const name = written.toLowerCase();
    const at = below(path, written);
    if (!isHeaderName(written)) throw reader.fault(at, 'is no name of a header');
    if (isReserved(name))
      throw reader.fault(at, 'is not a header of one’s own: a field of the email says it, or the vendor');
    if (seen.has(name)) throw reader.fault(at, 'comes twice, in different letters');
    seen.add(name);
    if (value.trim() !== value) throw reader.fault(at, 'begins or ends with a space');
  }
}
