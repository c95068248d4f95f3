import type { HistoryWitness } from '../core/history-witness';
import type { Lsn } from '../core/lsn';
import type { EncoderFactory } from '../core/ports/encoding';
import type { ReplicationStream } from '../core/ports/source';
import type { TopicWriter } from '../core/ports/topics';
import type { Progress } from '../core/progress';
import type { CaptureOptions, CapturePorts } from './capture-ports';
import type { CapturedTables } from './captured-tables';
import { floorAt } from './change-records';
import { openDeadLetters } from './dead-letters';
import { Pump, type PumpOptions } from './pump';
import type { RepartitionStop } from './repartition-stop';
import { Routes } from './routes';
import type { WatermarkWindows } from './watermark-windows';

export interface OpenPump extends Pick<PumpOptions, 'flusher' | 'epoch' | 'onFailure'> {
  readonly stream: ReplicationStream;
  readonly writer: TopicWriter;
  readonly encoders: EncoderFactory;
  readonly tables: CapturedTables;
  readonly progress: Progress;
  /** To write to. */
  readonly partitions: number;
  /** Transactions that committed before it are in the topics; null = not known. */
  readonly heldAtLeast: Lsn | null;
  readonly witness: HistoryWitness;
  readonly windows: WatermarkWindows;
  readonly mark: RepartitionStop;
}

/** What reads the stream in one life of capture. Throws topic_missing: the dead-letter topic, where the policy needs it. */
export function openPump(o: CaptureOptions, ports: CapturePorts, own: OpenPump): Pump {
  const { stream, writer, encoders, tables, flusher, progress, partitions, epoch, witness, windows, mark } = own;
  const { stats } = ports;
  const floor = floorAt(epoch, own.heldAtLeast);
  return new Pump({
    decode: ports.newDecoder(),
    routes: new Routes({ encoders, tables, writer, partitions, floor, stats }),
    flusher,
    progress,
    stats,
    watcher: windows,
    deadLetters: openDeadLetters(writer, o.errorsPolicy, o.deadLetterTopic, o.connector),
    epoch,
    witness,
    onMark: (content, lsn) => mark.onMark(content, lsn),
    pause: () => stream.pause(),
    resume: () => stream.resume(),
    onFailure: own.onFailure,
  });
}
