/**
 * What the flow needs of an order, whoever sent it. The id goes into a URL and into emails, so it is held to plain letters and
 * digits; without an address or a number nobody is told.
 */
export function process_payload(payload) {
  const { id, total, email, phone } = payload?.order ?? {};
  if (!/^[\w-]{1,64}$/.test(String(id ?? ''))) {
    throw new Error('order.id: letters, digits, "_" and "-" were expected, 1 to 64 of them.');
  }
  return {
    id: String(id),
    total: Number(total ?? 0),
    email: String(email ?? ''),
    phone: String(phone ?? ''),
  };
}
