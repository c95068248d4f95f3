/**
 * Rows of one kind by key: as they were loaded and as they are now. Reading a key that nobody loaded throws: a decision
 * never takes "not loaded" for "not there".
 */
export class Shelf<V extends object> {
  private readonly loaded = new Map<string, V | null>();
  private readonly changed = new Map<string, V>();

  constructor(private readonly kind: string) {}

  has(key: string): boolean {
    return this.loaded.has(key);
  }

  /** The first load counts: a later one would undo what was decided since. */
  load(key: string, row: V | null): void {
    if (!this.loaded.has(key)) this.loaded.set(key, row);
  }

  /** The row as it is now; null when there is none. */
  get(key: string): V | null {
    const changed = this.changed.get(key);
    if (changed !== undefined) return changed;
    const loaded = this.loaded.get(key);
    if (loaded === undefined) throw new NotLoaded(this.kind);
    return loaded;
  }

  set(key: string, row: V): void {
    this.changed.set(key, row);
  }

  /** Rows that were set, with what was loaded (null: none was there). */
  *changes(): Iterable<{ readonly before: V | null; readonly after: V }> {
    for (const [key, after] of this.changed) yield { before: this.loaded.get(key) ?? null, after };
  }
}

/** Sets of ids by key, with the same promise as {@link Shelf}. */
export class Index {
  private readonly known = new Set<string>();
  private readonly members = new Map<string, Set<string>>();

  constructor(private readonly kind: string) {}

  has(key: string): boolean {
    return this.known.has(key);
  }

  /** From now on the set of `key` is complete. */
  know(key: string): void {
    this.known.add(key);
  }

  add(key: string, id: string): void {
    const members = this.members.get(key);
    if (members) members.add(id);
    else this.members.set(key, new Set([id]));
  }

  remove(key: string, id: string): void {
    this.members.get(key)?.delete(id);
  }

  get(key: string): Iterable<string> {
    if (!this.known.has(key)) throw new NotLoaded(this.kind);
    return this.members.get(key) ?? [];
  }
}

/** A mistake in what is loaded, not in the data. The key is left out of the message (Invariant 7). */
export class NotLoaded extends Error {
  constructor(kind: string) {
    super(`a decision needs a ${kind} that was not loaded`);
    this.name = 'NotLoaded';
  }
}
