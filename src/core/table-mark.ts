import type { Relation } from './tuple';

/**
 * What has to stay the same, or the stream may have left out changes of the table. Rows of the catalog are named by oid and by
 * the transaction that wrote them, so that a table that left the publication and came back is not the one that stayed.
 */
export interface TableMark {
  readonly oid: number;
  /** The publication, and by what it holds the table; the leaves of a partitioned one. */
  readonly membership: string;
  /** Where the rows lie: another one after a rewrite, and after VACUUM FULL. */
  readonly file: string;
  /** The contract's columns that it has. */
  readonly columns: Readonly<Record<string, ColumnMark>>;
}

export interface ColumnMark {
  /** Another one after it was dropped and added again; a rename keeps it. */
  readonly number: number;
  /** Another one after any ALTER of it. */
  readonly version: string;
}

/** A table of the contract as the catalog shows it. */
export interface InspectedTable {
  /** As the stream would describe it now. */
  readonly relation: Relation;
  readonly mark: TableMark;
}

/** Why the rows in the topic may not be those of the table, although every change that the stream sent is there; null = they are. */
export function judgeMark(recorded: TableMark, found: TableMark): string | null {
  if (recorded.oid !== found.oid) return 'the table was dropped and made anew';
  if (recorded.membership !== found.membership)
    return 'the table, or a partition of it, was not published all the time';
  for (const [name, { number, version }] of Object.entries(found.columns)) {
    const before = recorded.columns[name];
    if (!before) return `column ${name} was added`;
    if (before.number !== number) return `column ${name} was dropped and added again`;
    if (before.version !== version && recorded.file !== found.file)
      return `column ${name} was altered and the table rewritten`;
  }
  return null;
}
