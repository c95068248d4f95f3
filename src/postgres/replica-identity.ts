import type { Activity, SourceTable, TableFacts } from './source-catalog';

/** Columns of the old row that an UPDATE or DELETE writes into the WAL. */
export function identityColumns(table: TableFacts): readonly string[] {
  switch (table.replicaIdentity) {
    case 'f':
      return table.columns.map(({ name }) => name);
    case 'd':
      return primaryKey(table);
    case 'i':
      return table.uniqueIndexes.find(({ identity, valid }) => identity && valid)?.columns ?? [];
    case 'n':
      return [];
  }
}

export function primaryKey(table: TableFacts): readonly string[] {
  return table.uniqueIndexes.find(({ primary, valid }) => primary && valid)?.columns ?? [];
}

/** What every delete must tell: which row, and in which partition of the topic it lies. */
export function neededIdentity({ keyColumn, tenantColumn }: SourceTable): readonly string[] {
  return keyColumn === tenantColumn ? [keyColumn] : [keyColumn, tenantColumn];
}

/** Whether deletes of the table, and of each of its partitions, tell what they must. */
export function carriesIdentity(table: TableFacts, wanted: SourceTable): boolean {
  const enough = (letter: string) => letter === 'f' || letter === table.replicaIdentity;
  return (
    covers(identityColumns(table), neededIdentity(wanted)) && table.partitions.every((p) => enough(p.replicaIdentity))
  );
}

export const IDENTITY_NAMES = { d: 'DEFAULT', n: 'NOTHING', f: 'FULL', i: 'USING INDEX' } as const;

export function covers(columns: readonly string[], needed: readonly string[]): boolean {
  return needed.every((name) => columns.includes(name));
}

/** What REPLICA IDENTITY FULL costs, for people, from the table's statistics. */
export function describeWalPrice({ rowBytes, changes, seconds }: Activity): string {
  if (rowBytes === null) {
    return 'each UPDATE and DELETE writes the whole old row into the WAL; run ANALYZE on the table to see how much that is';
  }
  const perChange = `each UPDATE and DELETE writes the old row into the WAL: about ${bytes(rowBytes)} on average, and more where values are stored out of line`;
  if (seconds <= 0) return perChange;
  const rate = changes / seconds;
  return `${perChange}; at ${rate.toPrecision(2)} such changes/s, the average so far, that is ${bytes(rate * rowBytes * 86_400)} a day`;
}

function bytes(count: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  const unit = count < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(count) / 3));
  const value = count / 1000 ** unit;
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}
