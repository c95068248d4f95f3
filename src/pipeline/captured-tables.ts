import { readState, type SnapshotState, stateKeys, type TableState } from '../core/capture-state';
import { CdcError } from '../core/errors';
import { formatLsn, type Lsn, parseLsn } from '../core/lsn';
import type { EncoderFactory } from '../core/ports/encoding';
import type { Logger } from '../core/ports/log';
import type { SourceInspection } from '../core/ports/source';
import { type InspectedTable, judgeMark } from '../core/table-mark';
import type { Relation } from '../core/tuple';

export interface CapturedTablesOptions {
  readonly connector: string;
  readonly epoch: number;
  /** Of earlier lives. */
  readonly state: ReadonlyMap<string, string>;
  readonly encoders: EncoderFactory;
  readonly log: Logger;
}

interface Known {
  readonly recorded: TableState | null;
  /** To be recorded by this life. */
  readonly state: TableState;
  readonly reload: SnapshotState | null;
}

/**
 * The tables as this life of capture found them, held against what earlier lives recorded. Where changes may have passed unseen
 * the table is to be loaded again; that, and the new mark, are recorded together, so that dying in between hides nothing.
 */
export class CapturedTables {
  private readonly known = new Map<string, Known>();

  /** Throws contract_column_missing, contract_type, replica_identity where a table cannot be captured as it is now. */
  constructor(
    private readonly o: CapturedTablesOptions,
    found: SourceInspection,
  ) {
    for (const table of found.tables) {
      const name = nameOf(table.relation);
      const recorded = readState<TableState>(o.state, stateKeys.table(o.connector, name));
      this.requireFit(table, recorded);
      this.known.set(name, this.recognise(name, table, recorded, found.tablesLsn));
    }
  }

  /** Records to write, all in one batch. */
  changes(): [key: string, value: string][] {
    const { connector } = this.o;
    return [...this.known].flatMap(([table, { state, reload }]) => [
      [stateKeys.table(connector, table), JSON.stringify(state)],
      ...(reload ? [[stateKeys.snapshot(connector, table), JSON.stringify(reload)] as [string, string]] : []),
    ]);
  }

  /** Columns of the contract that the table lacks by right: now, or when a change was made that was committed at `lsn`. */
  absentColumns(table: string, lsn: Lsn | null = null): string[] {
    const known = this.known.get(table);
    if (!known) return [];
    const { mark, added = {} } = known.state;
    return this.o.encoders.columns(table).filter((column) => {
      const since = added[column];
      if (since !== undefined && lsn !== null && lsn < parseLsn(since)) return true;
      return !(column in mark.columns);
    });
  }

  /** True when the table was loaded again after what was committed at `lsn`, so that it need not be told. */
  excused(table: string, lsn: Lsn): boolean {
    const before = this.known.get(table)?.state.excused;
    return before !== undefined && lsn < parseLsn(before);
  }

  /** A table that was renamed for a while was the same all the time: its changes go where they belong. */
  named(relation: Relation): Relation {
    for (const [name, { recorded, state }] of this.known) {
      if (state.mark.oid !== relation.oid || (recorded && recorded.mark.oid !== relation.oid)) continue;
      const [schema, table] = name.split('.') as [string, string];
      return { ...relation, schema, table };
    }
    return relation;
  }

  /** Throws what the constructor would, and table_changed where it would load a table again. */
  check(found: SourceInspection): void {
    for (const table of found.tables) {
      const name = nameOf(table.relation);
      const { state } = this.known.get(name)!;
      this.requireFit(table, state);
      const why = judgeMark(state.mark, table.mark);
      if (why) throw new CdcError('table_changed', `${name}: ${why}`);
    }
  }

  private requireFit({ relation, mark }: InspectedTable, recorded: TableState | null): void {
    const columns = (recorded?.mark ?? mark).columns;
    const absentColumns = this.o.encoders.columns(nameOf(relation)).filter((column) => !(column in columns));
    const encoder = this.o.encoders.compile(relation, { absentColumns });
    if (encoder?.lacksIdentity) throw encoder.lacksIdentity;
  }

  private recognise(table: string, { mark }: InspectedTable, recorded: TableState | null, tablesLsn: Lsn): Known {
    const { epoch, log, encoders } = this.o;
    const seen = formatLsn(tablesLsn);
    const absent = encoders.columns(table).filter((column) => !(column in mark.columns));
    if (!recorded && absent.length > 0)
      log.info({ table, columns: absent }, 'the table lacks columns of the contract: null');
    const same = recorded?.epoch === epoch ? recorded : null;
    const appeared = Object.keys(mark.columns).filter((column) => recorded && !(column in recorded.mark.columns));
    const added = { ...same?.added, ...Object.fromEntries(appeared.map((column) => [column, seen])) };
    const state: TableState = { ...(same?.excused && { excused: same.excused }), mark, seen, epoch, added };
    const why = recorded && judgeMark(recorded.mark, mark);
    if (!why) return { recorded, state, reload: null };
    const window = { from: recorded.seen, to: seen };
    log.warn({ table, why, ...window }, 'changes may be missing: the table is loaded again');
    const reload: SnapshotState = {
      status: 'running',
      lastKey: null,
      rows: 0,
      chunks: 0,
      kind: 'repair',
      why,
      ...window,
    };
    return { recorded, state, reload };
  }
}

const nameOf = ({ schema, table }: Relation) => `${schema}.${table}`;
