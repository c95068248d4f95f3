import type { CdcError } from '../core/errors';
import { heartbeatKey, heartbeatOf } from '../core/heartbeat';
import type { SourceInspection } from '../core/ports/source';
import type { TopicWriter } from '../core/ports/topics';
import type { Progress } from '../core/progress';
import type { CaptureOptions, CapturePorts } from './capture-ports';
import type { Confirmation } from './confirmation';
import type { Flusher } from './flusher';
import type { Loads } from './loads';
import type { Pump } from './pump';
import type { RepartitionStop } from './repartition-stop';
import { TopicWatch } from './topic-watch';
import { Upkeep } from './upkeep';

export interface OpenUpkeep {
  readonly writer: TopicWriter;
  readonly flusher: Flusher;
  readonly confirmation: Confirmation;
  readonly loads: Loads;
  readonly mark: RepartitionStop;
  readonly pump: Pump;
  readonly progress: Progress;
  /** Looks at the source; rejects with what is wrong. */
  look(): Promise<SourceInspection>;
  /** Ends this life of capture. */
  fail(error: CdcError): void;
}

/** What one life of capture does by the clock, on the source's side and on the topics'. */
export function openUpkeep(o: CaptureOptions, ports: CapturePorts, own: OpenUpkeep) {
  const { writer, flusher, confirmation, loads, mark, pump, progress, look, fail } = own;
  const { stats, log, onReadiness } = ports;
  const upkeep = new Upkeep({
    progressTimeoutMs: o.progressTimeoutMs,
    stats,
    log,
    advance: () => confirmation.advance(),
    beat: (untilMs) => {
      const heartbeat = heartbeatOf(untilMs, stats.publishedLsn, writer.ends, o.topics);
      flusher.batch.appendState(heartbeatKey(o.connector), JSON.stringify(heartbeat), BigInt(Date.now()));
      flusher.schedule();
    },
    renewFence: () => flusher.renewFence(),
    renewFenceEveryMs: writer.renewFenceEveryMs,
    inspect: look,
    loadTrouble: () => loads.trouble,
    sight: () => ({
      paused: pump.waitingForRoom,
      unacknowledged: !flusher.drained,
      batches: stats.batches,
      messages: pump.messages,
      heardLsn: pump.heardLsn,
      receivedLsn: progress.received,
    }),
    onReadiness,
    fail,
  });
  const held = (at: number) => {
    confirmation.held(at);
    loads.held(at);
    mark.held(at);
  };
  const topicWatch = new TopicWatch({ check: () => writer.check(), held, fail }, o.confirmTrailMs > 0);
  return {
    start(source: SourceInspection, lookedMs: number): void {
      upkeep.start(source, lookedMs);
      topicWatch.start();
    },
    stop(): void {
      upkeep.stop();
      topicWatch.stop();
    },
  };
}
