/** A row of the source: each column of the contract in PostgreSQL's text, times as microseconds since 1970; null = NULL. */
export type TextRow = Readonly<Record<string, string | null>>;

/** One committed change, as a trigger in the source recorded it. */
export interface AuditedChange {
  readonly table: string;
  /** Order of all changes of a row, and of all changes in a transaction. */
  readonly n: number;
  /** The top-level transaction's, 32 bits. */
  readonly xid: number;
  /** Insert, update, delete, truncate. */
  readonly op: 'I' | 'U' | 'D' | 'T';
  /** When the statement began: a TRUNCATE of several tables is one change. */
  readonly statement: string;
  /** Microseconds since 1970. */
  readonly commitTime: bigint;
  readonly old: TextRow | null;
  readonly new: TextRow | null;
}

export interface AuditedTable {
  readonly name: string;
  /** Column whose value decides the partition. */
  readonly tenantColumn: string;
  /** `d`: old rows hold the key only; `f`: all columns. */
  readonly replicaIdentity: string;
  /** Rows from before the capture was set up, and those at the end, by key. */
  readonly first: ReadonlyMap<string, TextRow>;
  readonly last: ReadonlyMap<string, TextRow>;
}

/** What happened in the source, whatever was captured of it. */
export interface Truth {
  readonly tables: readonly AuditedTable[];
  /** After the capture was set up, ascending by `n`. */
  readonly changes: readonly AuditedChange[];
}
