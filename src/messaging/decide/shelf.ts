/** A row as it was loaded (null: none was there) and as it is now. */
export interface Change<V> {
  readonly before: V | null;
  readonly after: V;
}

interface Row<V> {
  readonly before: V | null;
  after: V | null;
  changed: boolean;
}

/**
 * Rows of one kind by key: as they were loaded and as they are now. Reading a key that nobody loaded throws: a decision
 * never takes "not loaded" for "not there".
 */
export class Shelf<V extends object> {
  private readonly rows = new Map<string, Row<V>>();
  private readonly changed: Row<V>[] = [];

  constructor(private readonly kind: string) {}

  has(key: string): boolean {
    return this.rows.has(key);
  }

  /** The first load counts: a later one would undo what was decided since. */
  load(key: string, row: V | null): void {
    if (!this.rows.has(key)) this.rows.set(key, { before: row, after: row, changed: false });
  }

  /** The row as it is now; null when there is none. */
  get(key: string): V | null {
    return this.row(key).after;
  }

  set(key: string, value: V): void {
    const row = this.row(key);
    row.after = value;
    if (row.changed) return;
    row.changed = true;
    this.changed.push(row);
  }

  /** Rows that were set. */
  changes(): readonly Change<V>[] {
    return this.changed as readonly Change<V>[];
  }

  private row(key: string): Row<V> {
    const row = this.rows.get(key);
    if (row === undefined) throw new NotLoaded(this.kind);
    return row;
  }
}

interface Members {
  /** Nobody is missing. */
  complete: boolean;
  ids: readonly string[];
}

/** Ids by key, with the same promise as {@link Shelf}. Nearly every key has one id or none, so these are lists, not sets. */
export class Index {
  private readonly members = new Map<string, Members>();

  constructor(private readonly kind: string) {}

  has(key: string): boolean {
    return this.members.get(key)?.complete ?? false;
  }

  /** From now on the ids of `key` are complete. */
  know(key: string): void {
    const members = this.members.get(key);
    if (members) members.complete = true;
    else this.members.set(key, { complete: true, ids: NOBODY });
  }

  /** The id must not be there yet. */
  add(key: string, id: string): void {
    const members = this.members.get(key);
    if (!members) this.members.set(key, { complete: false, ids: [id] });
    else if (members.ids.length === 0) members.ids = [id];
    else (members.ids as string[]).push(id);
  }

  remove(key: string, id: string): void {
    const members = this.members.get(key);
    if (members) members.ids = members.ids.filter((member) => member !== id);
  }

  /** Ids that are known by now; others may be missing. */
  present(key: string): readonly string[] {
    return this.members.get(key)?.ids ?? NOBODY;
  }

  get(key: string): readonly string[] {
    const members = this.members.get(key);
    if (!members?.complete) throw new NotLoaded(this.kind);
    return members.ids;
  }
}

const NOBODY: readonly string[] = [];

/** A mistake in what is loaded, not in the data. The key is left out of the message (Invariant 7). */
export class NotLoaded extends Error {
  constructor(kind: string) {
    super(`a decision needs a ${kind} that was not loaded`);
    this.name = 'NotLoaded';
  }
}
