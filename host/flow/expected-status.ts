import type { StatusRange } from './flow.ts';

/** What an HTTP exchange has to end with where the flow does not say: any success. */
export const ANY_SUCCESS: readonly StatusRange[] = [{ from: 200, to: 299 }];

export function isExpected(status: number, expected: readonly StatusRange[]): boolean {
  return expected.some(({ from, to }) => status >= from && status <= to);
}

/** `2xx or 404` */
export function expectedText(expected: readonly StatusRange[]): string {
  const texts = expected.map(({ from, to }) => (from === to ? `${from}` : `${from / 100}xx`));
  return texts.join(' or ');
}
