import type { PlacedKey } from '../core/open-keys';
import type { TopicWriter } from '../core/ports/topics';
import { Slab } from '../core/slab';
import { identityOf, type SourceOfRows } from './sweep';

/** Sent at a time, in bytes of the fullest partition: far below what any topic takes. */
const FLUSH_BYTES = 256 * 1024;

/**
 * Tombstones for rows that the source may still have: compaction then takes every record of these keys. They bear the position
 * that their partition has reached, so that whoever continues it sees none that is new. Sinks pass over tombstones.
 *
 * Resolves with the number written: none where the partition has no record. Rejects as the writer does.
 */
export async function writeTombstones(
  writer: TopicWriter,
  source: SourceOfRows,
  keys: Iterable<PlacedKey>,
  nowMs: number,
): Promise<number> {
  const { encoder, partitions, tails } = source.route;
  const slab = new Slab(4096);
  const batch = writer.newBatch();
  let written = 0;
  for (const key of keys) {
    const row = identityOf(source, key);
    const partition = encoder.partition(row, partitions);
    const reached = tails[partition];
    if (!reached) continue;
    slab.reset();
    encoder.writeKey(slab, row);
    batch.append(encoder.topic, partition, slab, 0, slab.pos, -1, -1, BigInt(nowMs), reached);
    written++;
    if (batch.largestBytes < FLUSH_BYTES) continue;
    await writer.flush(batch);
    batch.clear();
  }
  if (batch.records > 0) await writer.flush(batch);
  return written;
}
