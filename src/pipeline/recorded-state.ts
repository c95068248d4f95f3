import {
  type ColumnsState,
  epochFor,
  readState,
  type SnapshotState,
  type SourceState,
  stateKeys,
  type TopicsState,
} from '../core/capture-state';
import { CdcError } from '../core/errors';
import type { EncoderFactory } from '../core/ports/encoding';
import type { Logger } from '../core/ports/log';
import type { SourceInspection, SourceQueries } from '../core/ports/source';
import type { TopicWriter } from '../core/ports/topics';

/** What earlier lives of capture left in the state topic, held against what is found now. */
export class RecordedState {
  private readonly wanted = new Map<string, object>();

  constructor(
    private readonly writer: TopicWriter,
    private readonly connector: string,
  ) {}

  /** The epoch to write with. Throws source_forked. */
  epoch({ systemId, timeline }: SourceInspection): number {
    const key = stateKeys.source(this.connector);
    const recorded = readState<SourceState>(this.writer.state, key);
    const epoch = epochFor(recorded, systemId, timeline);
    if (epoch === null)
      throw new CdcError(
        'source_forked',
        `the source is system ${systemId} timeline ${timeline}, captured was ${recorded?.systemId} timeline ${recorded?.timeline}`,
      );
    this.wanted.set(key, { systemId, timeline, epoch } satisfies SourceState);
    return epoch;
  }

  /** Throws partitions_changed: a tenant's orders would no longer follow each other in one partition (Invariant 5). */
  partitions(topics: readonly string[]): void {
    const key = stateKeys.topics(this.connector);
    const recorded = readState<TopicsState>(this.writer.state, key);
    const found = this.writer.topics.filter((topic) => topics.includes(topic.name));
    const partitions = recorded?.partitions ?? found[0]?.partitions ?? 0;
    for (const topic of found)
      if (topic.partitions !== partitions)
        throw new CdcError(
          'partitions_changed',
          `topic ${topic.name} has ${topic.partitions} partitions, not ${partitions}`,
        );
    this.wanted.set(key, { partitions } satisfies TopicsState);
  }

  /** Contract columns that a table never had: said once, then remembered, so that a later disappearance is noticed. */
  async absentColumns(
    queries: SourceQueries,
    encoders: EncoderFactory,
    log: Logger,
  ): Promise<ReadonlyMap<string, readonly string[]>> {
    const absent = new Map<string, readonly string[]>();
    for (const table of encoders.tables) {
      const key = stateKeys.columns(this.connector, table);
      const known = readState<ColumnsState>(this.writer.state, key);
      const columns = known?.absent ?? (await missingColumns(table, queries, encoders));
      if (!known && columns.length > 0) log.info({ table, columns }, 'the table lacks columns of the contract: null');
      absent.set(table, columns);
      this.wanted.set(key, { absent: columns } satisfies ColumnsState);
    }
    return absent;
  }

  /** Records to write: what is new or different. */
  changes(): [key: string, value: string][] {
    return [...this.wanted]
      .map(([key, value]): [string, string] => [key, JSON.stringify(value)])
      .filter(([key, value]) => this.writer.state.get(key) !== value);
  }

  tablesToLoad(tables: readonly string[]): { table: string; from: SnapshotState | null }[] {
    return tables
      .map((table) => ({
        table,
        from: readState<SnapshotState>(this.writer.state, stateKeys.snapshot(this.connector, table)),
      }))
      .filter(({ from }) => from?.status !== 'done');
  }
}

async function missingColumns(table: string, queries: SourceQueries, encoders: EncoderFactory): Promise<string[]> {
  const [schema, name] = table.split('.') as [string, string];
  const relation = await queries.describe(schema, name);
  if (!relation) throw new CdcError('table_missing', `table ${table} does not exist`);
  const present = new Set(relation.columns.map((column) => column.name));
  return encoders.columns(table).filter((column) => !present.has(column));
}
