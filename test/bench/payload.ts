/** A webhook's body of 1 KB, as a shop would send it. */
export function orderBody(): string {
  const order = {
    id: 42,
    total: 99.5,
    currency: 'EUR',
    customer: { id: 'c-1001', name: 'Ada "the first" Lovelace', email: 'ada@example.org', city: 'Zürich' },
    items: [0, 1, 2, 3, 4, 5].map((index) => ({
      sku: `SKU-${1000 + index}`,
      name: 'A quite ordinary article of the shop',
      quantity: index + 1,
      price: 9.95 + index,
      tags: ['new', 'sale'],
    })),
    note: '',
  };
  const missing = 1024 - Buffer.byteLength(JSON.stringify({ order }));
  return JSON.stringify({ order: { ...order, note: '.'.repeat(Math.max(0, missing)) } });
}
