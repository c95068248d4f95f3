import type { Op } from '../core/change';
import { CdcError, toCdcError } from '../core/errors';
import type { Lsn } from '../core/lsn';
import type { EncoderFactory, RowEncoder } from '../core/ports/encoding';
import type { TopicWriter } from '../core/ports/topics';
import type { Position } from '../core/position';
import { type CaptureStats, tableStats } from '../core/stats';
import type { Relation } from '../core/tuple';
import type { CapturedTables } from './captured-tables';
import { routeTo, type TableRoute } from './change-records';
import { OF_THE_PAST } from './present-trouble';

/** A table of the contract in a form that the contract cannot express: it matters as soon as a change of it comes. */
export interface Refusal {
  readonly table: string;
  readonly error: CdcError;
}

export interface RoutesOptions {
  readonly encoders: EncoderFactory;
  readonly tables: Pick<CapturedTables, 'named' | 'absentColumns' | 'excused'>;
  readonly writer: TopicWriter;
  /** To write to. */
  readonly partitions: number;
  /** What is in the topics, whatever their tails say; null = no more. */
  readonly floor: Position | null;
  readonly stats: CaptureStats;
}

/** Where the changes of each relation go that the stream has described. */
export class Routes {
  private readonly byOid = new Map<number, TableRoute | Refusal | null>();

  constructor(private readonly o: RoutesOptions) {}

  /** `lsn`: of the transaction that the description came with. */
  learn(described: Relation, lsn: Lsn): void {
    const { encoders, tables } = this.o;
    const relation = tables.named(described);
    const table = `${relation.schema}.${relation.table}`;
    try {
      const encoder = encoders.compile(relation, { absentColumns: tables.absentColumns(table, lsn) });
      this.byOid.set(relation.oid, encoder && this.to(encoder));
    } catch (thrown) {
      const error = toCdcError(thrown);
      if (!OF_THE_PAST.has(error.kind)) throw error;
      this.byOid.set(relation.oid, { table, error });
    }
  }

  /** Null: not of the contract. */
  of(relationOid: number): TableRoute | Refusal | null {
    const route = this.byOid.get(relationOid);
    if (route === undefined) throw new CdcError('protocol', `a change came before its relation ${relationOid}`);
    return route;
  }

  to(encoder: RowEncoder): TableRoute {
    const { writer, partitions, floor, stats } = this.o;
    return routeTo(encoder, writer, partitions, floor, tableStats(stats, encoder.table));
  }

  /** Leaves the change out when the table was loaded again after it, for this very reason; throws what is wrong else. */
  refuse({ table, error }: Refusal, op: Op, lsn: Lsn): void {
    if (!this.o.tables.excused(table, lsn))
      throw new CdcError(error.kind, `a change of ${table} cannot be told: ${error.message}`, {
        fix: `ventia-cdc repair table ${table}`,
        cause: error,
      });
    const stats = tableStats(this.o.stats, table);
    stats.decoded[op]++;
    stats.filtered[op]++;
  }
}
