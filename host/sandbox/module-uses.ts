/** Which modules a cell host holds, and how many of its cells use each. */
export class ModuleUses {
  readonly #uses = new Map<string, number>();

  /** A cell opens with these. @returns those that the cell host does not hold yet */
  retain(digests: Iterable<string>): string[] {
    const missing: string[] = [];
    for (const digest of digests) {
      const uses = this.#uses.get(digest) ?? 0;
      if (uses === 0) missing.push(digest);
      this.#uses.set(digest, uses + 1);
    }
    return missing;
  }

  /** That cell is gone. @returns those that no cell uses any more */
  release(digests: Iterable<string>): string[] {
    const unused: string[] = [];
    for (const digest of digests) {
      const uses = (this.#uses.get(digest) ?? 0) - 1;
      if (uses > 0) this.#uses.set(digest, uses);
      else if (this.#uses.delete(digest)) unused.push(digest);
    }
    return unused;
  }
}
