import {
  confirmedAtMost,
  heldAtLeast,
  judgeDecoded,
  judgeHistory,
  type RepairState,
  type RepartitionState,
  readState,
  type SchemaState,
  type SourceState,
  stateKeys,
  type TopicsState,
} from '../core/capture-state';
import { CdcError } from '../core/errors';
import { HistoryWitness } from '../core/history-witness';
import type { Lsn } from '../core/lsn';
import { partitionsChanged } from '../core/partition';
import type { SlotHistory, SourceInspection } from '../core/ports/source';
import type { TopicWriter } from '../core/ports/topics';
import { formatToRecord, STATE_FORMAT_KEY } from '../core/state-format';

/** What earlier lives of capture left in the state topic, held against what is found now. */
export class RecordedState {
  private readonly wanted = new Map<string, object>();

  constructor(
    private readonly writer: TopicWriter,
    private readonly connector: string,
  ) {
    this.wanted.set(STATE_FORMAT_KEY, formatToRecord(writer.state));
  }

  /** The epoch to write with. Throws source_forked, slot_replaced: history forked, which nobody may decide in silence. */
  epoch(found: SlotHistory): number {
    const trouble = judgeHistory(this.writer.state, this.connector, found);
    if (trouble) throw trouble;
    const key = stateKeys.source(this.connector);
    const epoch = readState<SourceState>(this.writer.state, key)?.epoch ?? 1;
    const { systemId, timeline } = found;
    this.wanted.set(key, { systemId, timeline, epoch } satisfies SourceState);
    return epoch;
  }

  /**
   * `begun`: the source, looked at after the stream began and before anything was confirmed. Rejects with source_forked,
   * slot_replaced, which is recorded first: for later lives and the repair.
   */
  async witness(topics: readonly string[], begun: SourceInspection): Promise<HistoryWitness> {
    const tails = this.writer.topics
      .filter(({ name }) => topics.includes(name))
      .flatMap(({ name, partitions }) => Array.from({ length: partitions }, (_, p) => this.writer.tail(name, p)));
    const present = tails.filter((tail) => tail !== null);
    const witness = new HistoryWitness(present, BigInt(this.epoch(begun)), begun.confirmedLsn);
    const replaced = judgeDecoded(this.writer.state, this.connector, begun.slot.decoded);
    const trouble = replaced ?? witness.judgeEnd(begun.walLsn);
    if (!trouble) return witness;
    const batch = this.writer.newBatch();
    const [key, source] = this.forked(trouble);
    batch.appendState(key, JSON.stringify(source), BigInt(Date.now()));
    await this.writer.flush(batch);
    throw trouble;
  }

  /** What tells later lives and the repair that the source, or the slot, no longer tells the history that the topics hold. */
  forked({ kind, message }: CdcError): [key: string, value: object] {
    const key = stateKeys.source(this.connector);
    return [key, { ...this.wanted.get(key), [kind === 'slot_replaced' ? 'replaced' : 'forked']: message }];
  }

  /** What earlier lives recorded as the most that they might confirm. */
  get confirmedAtMost(): Lsn | null {
    return confirmedAtMost(this.writer.state, this.connector);
  }

  /** The repair that this life is to go on with. */
  get repair(): RepairState | null {
    const repair = readState<RepairState>(this.writer.state, stateKeys.repair(this.connector));
    return repair?.phase === 'load' ? repair : null;
  }

  /** Transactions that committed before it are in the topics, and may have left no trace there. */
  get heldAtLeast(): Lsn | null {
    return heldAtLeast(this.writer.state, this.connector);
  }

  /** The raising of partitions that this life is to make room for. */
  get repartition(): RepartitionState | null {
    return readState<RepartitionState>(this.writer.state, stateKeys.repartition(this.connector));
  }

  /**
   * How many partitions to write to. Throws partitions_changed: a tenant's orders would no longer follow each other in one
   * partition (Invariant 5). And repartitioning, when nothing may be written until the number is raised.
   */
  partitions(topics: readonly string[]): number {
    const { repartition } = this;
    if (repartition?.reached !== undefined) throw isRepartitioning(repartition);
    const key = stateKeys.topics(this.connector);
    const recorded = readState<TopicsState>(this.writer.state, key);
    const found = this.writer.topics.filter((topic) => topics.includes(topic.name));
    const partitions = recorded?.partitions ?? found[0]?.partitions ?? 0;
    for (const topic of found)
      if (topic.partitions < partitions || (topic.partitions > partitions && !repartition))
        throw partitionsChanged(topic, partitions);
    this.wanted.set(key, { partitions } satisfies TopicsState);
    return partitions;
  }

  /** So that the next life does not need the registry. */
  schemas(known: ReadonlyMap<number, SchemaState>): void {
    for (const [id, schema] of known) this.wanted.set(stateKeys.schema(this.connector, id), schema);
  }

  /** Records to write: what is new or different. */
  changes(): [key: string, value: string][] {
    return [...this.wanted]
      .map(([key, value]): [string, string] => [key, JSON.stringify(value)])
      .filter(([key, value]) => this.writer.state.get(key) !== value);
  }
}

export function isRepartitioning({ since, partitions }: RepartitionState): CdcError {
  return new CdcError('repartitioning', `since ${since} the number of partitions is being raised to ${partitions}`);
}
