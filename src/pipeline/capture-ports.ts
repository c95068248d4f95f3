import type { SchemaState } from '../core/capture-state';
import type { Lsn } from '../core/lsn';
import type { EncoderFactory } from '../core/ports/encoding';
import type { ReplicationStream, SourceInspection, SourceQueries } from '../core/ports/source';
import type { KeyRecord, TopicWriter } from '../core/ports/topics';
import type { ReplicationMessage } from '../core/replication-message';
import type { CaptureObservers } from '../core/stats';
import type { StandByPorts } from './stand-by';

export interface CaptureOptions {
  readonly connector: string;
  /** In the order of the first load: parents before children. */
  readonly tables: readonly string[];
  /** Their topics. */
  readonly topics: readonly string[];
  readonly deadLetterTopic: string;
  readonly errorsPolicy: 'halt' | 'dead-letter';
  readonly snapshotMode: 'initial' | 'never';
  readonly snapshotChunkRows: number;
  readonly maxBatchBytes: number;
  readonly confirmTrailMs: number;
  /** How long nothing may move while there is something to do. */
  readonly progressTimeoutMs: number;
}

export interface CapturePorts extends StandByPorts {
  /** Looks at source, publication, identities and slot; throws the first trouble. Cheap: called every few seconds. */
  inspect(): Promise<SourceInspection>;
  openStream(confirmed: Lsn): ReplicationStream;
  newDecoder(): (payload: Buffer) => ReplicationMessage;
  openWriter(): Promise<TopicWriter>;
  openQueries(): SourceQueries;
  /** What the records of a partition of `topic` say of their keys, from its start to its present end. */
  readKeys(topic: string, partition: number): AsyncIterable<readonly KeyRecord[]>;
  /** Hands on what is written to the state topic from offset `from` on, by whomever, until the function it gives is called. */
  followState(from: bigint, onRecord: (key: string, value: string | null) => void): () => void;
  /** Registered schema ids and contracts. */
  loadEncoders(): Promise<EncoderFactory>;
  /** What is known of the registry then, by schema id. */
  knownSchemas(): ReadonlyMap<number, SchemaState>;
  readonly observers: CaptureObservers;
}

/** Writes state records together and resolves when Kafka has them; null ends a key. */
export type SaveState = (records: readonly (readonly [key: string, value: object | null])[]) => Promise<void>;
