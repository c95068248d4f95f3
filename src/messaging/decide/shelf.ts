/**
 * Rows of one kind by key: as they were loaded and as they are now. Reading a key that nobody loaded throws: a decision
 * never takes "not loaded" for "not there".
 */
export class Shelf<V extends object> {
  private readonly rows = new Map<string, V | null>();
  /** What was loaded, of the keys that were set since. */
  private readonly before = new Map<string, V | null>();

  constructor(private readonly kind: string) {}

  has(key: string): boolean {
    return this.rows.has(key);
  }

  /** The first load counts: a later one would undo what was decided since. */
  load(key: string, row: V | null): void {
    if (!this.rows.has(key)) this.rows.set(key, row);
  }

  /** The row as it is now; null when there is none. */
  get(key: string): V | null {
    const row = this.rows.get(key);
    if (row === undefined) throw new NotLoaded(this.kind);
    return row;
  }

  set(key: string, row: V): void {
    if (!this.before.has(key)) this.before.set(key, this.get(key));
    this.rows.set(key, row);
  }

  /** Rows that were set, with what was loaded (null: none was there). */
  *changes(): Iterable<{ readonly before: V | null; readonly after: V }> {
    for (const [key, before] of this.before) yield { before, after: this.rows.get(key)! };
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

  get(key: string): ReadonlySet<string> {
    if (!this.known.has(key)) throw new NotLoaded(this.kind);
    return this.members.get(key) ?? NOBODY;
  }
}

const NOBODY: ReadonlySet<string> = new Set();

/** A mistake in what is loaded, not in the data. The key is left out of the message (Invariant 7). */
export class NotLoaded extends Error {
  constructor(kind: string) {
    super(`a decision needs a ${kind} that was not loaded`);
    this.name = 'NotLoaded';
  }
}
