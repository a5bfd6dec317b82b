/** What the flow needs of a payload: an order's id and total where there is one, and the names of its fields. */
export function process_payload(payload) {
  const order = payload?.order ?? {};
  return {
    order_id: order.id ?? null,
    total: order.total ?? null,
    fields: Object.keys(payload ?? {}),
  };
}
