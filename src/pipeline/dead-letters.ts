import type { Op } from '../core/change';
import { CdcError } from '../core/errors';
import type { TransactionStamp } from '../core/ports/encoding';
import type { TopicWriter } from '../core/ports/topics';
import { formatPosition, type Position } from '../core/position';
import type { Tuple } from '../core/tuple';
import type { ChangeRecords, TableRoute } from './change-records';
import type { Flusher } from './flusher';

/** Errors of one change, not of the connection or the table. */
const POISON = new Set(['unencodable', 'record_too_large', 'unchanged_unavailable']);

/** A stub stays small, whatever the reason says. */
export const MAX_STUB_BYTES = 4096;
const MAX_REASON = 500;
const MAX_ID = 64;

/**
 * Changes that cannot become records. By policy `halt` capture stops and says so; by `dead-letter` a stub with table, key,
 * position and reason goes to the dead-letter topic and the change is counted (Invariant 4). Never a row value (Invariant 7).
 */
export class DeadLetters {
  constructor(
    private readonly policy: 'halt' | 'dead-letter',
    private readonly topic: string,
    private readonly connector: string,
    private readonly tail: Position | null,
    /** Largest record batch the topic takes, bytes. */
    readonly limit: number,
  ) {}

  takes(error: CdcError): boolean {
    return this.policy === 'dead-letter' && POISON.has(error.kind);
  }

  append(
    records: ChangeRecords,
    route: TableRoute,
    op: Op,
    row: Tuple,
    stamp: TransactionStamp,
    seq: number,
    error: CdcError,
    flusher: Flusher,
  ): void {
    const position = { epoch: stamp.epoch, commitLsn: stamp.commitLsn, seq: BigInt(seq) };
    route.stats.decoded[op]++;
    if (this.tail && formatPosition(position) <= formatPosition(this.tail)) {
      route.stats.skipped[op]++;
      return;
    }
    const { slab } = records;
    records.begin();
    slab.ensure(MAX_STUB_BYTES);
    slab.pos += slab.bytes.write(formatPosition(position), slab.pos);
    const keyEnd = slab.pos;
    const stub = {
      connector: this.connector,
      table: route.encoder.table,
      op,
      id: route.encoder.idText(row)?.slice(0, MAX_ID) ?? null,
      position: formatPosition(position),
      code: error.code,
      reason: error.message.slice(0, MAX_REASON),
      commit_time_us: String(stamp.commitTime),
    };
    slab.pos += slab.bytes.write(JSON.stringify(stub), slab.pos);
    flusher.batch.append(this.topic, 0, slab, 0, keyEnd, keyEnd, slab.pos, stamp.commitTime / 1000n, position);
    flusher.tally.add(route.stats, op, 'deadLettered');
    flusher.stamp(stamp.commitTime);
  }
}

/** Goes on behind the last stub that the topic holds. Throws topic_missing where the policy needs it and it is not there. */
export function openDeadLetters(
  writer: TopicWriter,
  policy: 'halt' | 'dead-letter',
  topic: string,
  connector: string,
): DeadLetters {
  const exists = writer.topics.some(({ name }) => name === topic);
  if (policy === 'dead-letter' && !exists)
    throw new CdcError('topic_missing', `topic ${topic} does not exist, and errors.policy is dead-letter`);
  return new DeadLetters(policy, topic, connector, writer.tail(topic, 0), exists ? writer.maxBatchBytes(topic) : 0);
}
