import type { EncoderFactory } from '../core/ports/encoding';
import type { SourceQueries } from '../core/ports/source';
import type { TopicWriter } from '../core/ports/topics';
import type { CaptureOptions, CapturePorts } from './capture-ports';
import type { CapturedTables } from './captured-tables';
import type { Flusher } from './flusher';
import { Loads, type LoadsDeps } from './loads';
import { Sweep } from './sweep';
import { WatermarkWindows } from './watermark-windows';

export interface OpenLoads extends Pick<LoadsDeps, 'saveState' | 'onRepaired'> {
  readonly writer: TopicWriter;
  readonly queries: SourceQueries;
  readonly encoders: EncoderFactory;
  readonly flusher: Flusher;
  readonly epoch: bigint;
  readonly tables: CapturedTables;
}

/** The loads of one life of capture, which follow the state topic from where the writer has read it. */
export async function openLoads(
  o: CaptureOptions,
  ports: CapturePorts,
  own: OpenLoads,
): Promise<{ readonly windows: WatermarkWindows; readonly loads: Loads; readonly stop: () => void }> {
  const { writer, queries, encoders, flusher, epoch, tables, saveState, onRepaired } = own;
  const { stats, log, readKeys } = ports;
  const windows = new WatermarkWindows(queries, () => flusher.durable());
  const loads = new Loads({
    connector: o.connector,
    tables: o.tables,
    mode: o.snapshotMode,
    // What this life found to be loaded again is written with its first records.
    state: new Map([...writer.state, ...tables.changes()]),
    queries,
    encoders,
    absentColumns: (table) => tables.absentColumns(table),
    windows,
    sweep: new Sweep({ windows, readKeys, chunkRows: o.snapshotChunkRows }),
    epoch,
    saveState,
    onRepaired,
    // A chunk fills a batch at most: the stream waits while it goes out.
    bounds: { maxRows: o.snapshotChunkRows, maxBytes: o.maxBatchBytes },
    stats,
    log,
    over: () => flusher.over,
    trailMs: o.confirmTrailMs,
    ends: () => new Map([...writer.ends].filter(([partition]) => o.topics.includes(partition.replace(/\/\d+$/, '')))),
  });
  await loads.open((records) => {
    const batch = writer.newBatch();
    for (const [key, value] of records) batch.appendState(key, value && JSON.stringify(value), BigInt(Date.now()));
    return writer.flush(batch);
  });
  const unfollow = ports.followState(writer.stateEnd, (key, value) => loads.onRecord(key, value));
  const stop = () => {
    unfollow();
    loads.stop();
  };
  return { windows, loads, stop };
}
