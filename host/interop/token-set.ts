/** Hands out names of one token each, no two the same. */
export class TokenSet {
  readonly #taken: Set<string>;
  readonly #max: number;

  /**
   * @param max length of a token
   * @param reserved never handed out
   */
  constructor(max: number, reserved: readonly string[] = []) {
    this.#max = max;
    this.#taken = new Set(reserved);
  }

  /**
   * The token for an id: in lower case, each run of other characters than `a` to `z`, `0` to `9`, `_` and `-` made one
   * `-`, without `_` and `-` in front and `-` at the end, cut to the length, and with `-2`, `-3` and so on behind it
   * where another id has the same. `ai.greentic.component-qa` becomes `ai-greentic-component-qa`.
   */
  take(id: string): string {
    const token = tokenOf(id, this.#max);
    let name = token;
    for (let count = 2; this.#taken.has(name); count += 1) {
      const suffix = `-${count}`;
      name = token.slice(0, this.#max - suffix.length) + suffix;
    }
    this.#taken.add(name);
    return name;
  }
}

/** As `TokenSet.take`, whatever others there are. */
export function tokenOf(id: string, max: number): string {
  const token = id
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, '-')
    .replace(/^[_-]+/, '')
    .slice(0, max)
    .replace(/-+$/, '');
  return token === '' ? 'component' : token;
}
