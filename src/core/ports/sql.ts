/**
 * A PostgreSQL session as the pure parts see it.
 *
 * Values go and come as text where JavaScript would lose something: int8 and numeric are strings, timestamps are text in
 * UTC with microseconds, json is parsed, bool is boolean, int2/int4/float8 are numbers.
 * Failures are CdcErrors with `sqlState`; a broken connection is `*_unreachable`.
 */
export interface Sql {
  /** `name` makes a prepared statement that is kept for the life of the connection. */
  query<R = Record<string, unknown>>(text: string, values?: readonly unknown[], name?: string): Promise<R[]>;
  /** Rows inserted, updated or deleted by a statement that returns none. */
  execute(text: string, values?: readonly unknown[], name?: string): Promise<number>;
  /** COPY into `table (column, …)`: rows in COPY's text format. Gives the number of rows that were inserted. */
  copy(into: string, rows: Buffer): Promise<number>;
}

export interface Database extends Sql {
  /**
   * BEGIN, work, COMMIT; ROLLBACK and rethrow on any failure. A connection lost in COMMIT leaves the outcome unknown.
   * `settings` are commands that go with BEGIN, without a way there and back of their own.
   */
  transaction<T>(work: (tx: Sql) => Promise<T>, settings?: string): Promise<T>;
  close(): Promise<void>;
}
