import type { Admin, Consumer } from 'kafkajs';

/**
 * The inner parts of kafkajs that we use or mend, with the shapes we rely on. The package is pinned to one exact version
 * and has no `exports` map; test/contract/kafka fails when a bump moves any of them.
 */

export interface Connection {
  readonly clientId: string;
  /** undefined before the first connect(). */
  socket: import('node:net').Socket | undefined;
  readonly requestQueue: RequestQueue;
  isConnected(): boolean;
  connect(): Promise<boolean>;
  disconnect(): Promise<boolean>;
  authenticate(): Promise<void>;
  send(request: ProtocolRequest): Promise<unknown>;
  nextCorrelationId(): number;
  rejectRequests(error: Error): void;
}

export interface RequestQueue {
  readonly requestTimeout: number;
  readonly inflight: ReadonlyMap<number, { sentAt: number; requestTimeout: number; timeoutRequest(): void }>;
  requestTimeoutIntervalId: NodeJS.Timeout | undefined;
  isConnected(): boolean;
  /** Stops the timers. */
  destroy(): void;
  scheduleRequestTimeoutCheck(): void;
  readonly pending: readonly unknown[];
  /** Milliseconds since 1970; the broker asked for silence until then. */
  readonly throttledUntil: number;
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  checkPendingRequests(): void;
  scheduleCheckPendingRequests(): void;
  maybeThrottle(ms: number | null): void;
  push(request: {
    readonly entry: {
      readonly apiKey: number;
      readonly apiName: string;
      readonly apiVersion: number;
      readonly correlationId: number;
      resolve(response: { readonly payload: Buffer }): void;
      reject(error: Error): void;
    };
    readonly expectResponse: boolean;
    readonly requestTimeout: number;
    sendRequest(): void;
  }): void;
}

export interface ProtocolRequest {
  readonly request: { readonly apiKey: number };
  readonly response: { decode(raw: Buffer): Promise<unknown>; parse(decoded: unknown): Promise<unknown> };
}

interface TopicsOf<T> {
  readonly topic: string;
  readonly partitions: readonly T[];
}

export interface Broker {
  readonly nodeId: number;
  readonly connectionPool: {
    readonly pool: readonly Connection[];
    /** 0 is for everything but fetches, 1 for fetches. */
    getConnection(index?: number): Promise<Connection>;
  };
  findGroupCoordinator(o: {
    groupId: string;
    coordinatorType: number;
  }): Promise<{ coordinator: { nodeId: number; host: string; port: number } }>;
  initProducerId(o: {
    transactionalId: string;
    transactionTimeout: number;
  }): Promise<{ producerId: string; producerEpoch: number }>;
  addPartitionsToTxn(o: {
    transactionalId: string;
    producerId: string;
    producerEpoch: number;
    topics: readonly TopicsOf<number>[];
  }): Promise<unknown>;
  endTxn(o: {
    transactionalId: string;
    producerId: string;
    producerEpoch: number;
    transactionResult: boolean;
  }): Promise<unknown>;
  listOffsets(o: {
    isolationLevel: number;
    topics: readonly TopicsOf<{ partition: number; timestamp: number }>[];
  }): Promise<{ responses: { topic: string; partitions: { partition: number; offset: string }[] }[] }>;
  fetch(o: {
    isolationLevel: number;
    maxWaitTime: number;
    minBytes: number;
    maxBytes: number;
    topics: readonly TopicsOf<{ partition: number; fetchOffset: string; maxBytes: number }>[];
  }): Promise<unknown>;
  offsetFetch(o: {
    groupId: string;
    topics: readonly TopicsOf<{ partition: number }>[];
  }): Promise<{ responses: { topic: string; partitions: { partition: number; offset: string }[] }[] }>;
  offsetCommit(o: {
    groupId: string;
    memberId: string;
    groupGenerationId: number;
    topics: readonly TopicsOf<{ partition: number; offset: string }>[];
  }): Promise<unknown>;
  describeConfigs(o: {
    resources: readonly { type: number; name: string }[];
  }): Promise<{ resources: { resourceName: string; configEntries: ConfigEntry[] }[] }>;
}

export interface ConfigEntry {
  readonly configName: string;
  readonly configValue: string | null;
  /** 1 = set on the topic itself. */
  readonly configSource: number;
}

export interface PartitionMetadata {
  readonly partitionId: number;
  /** Node id; -1 = none now. */
  readonly leader: number;
  readonly replicas: readonly number[];
}

export interface Cluster {
  readonly brokerPool: {
    readonly brokers: Readonly<Record<string, Broker>>;
    readonly seedBroker: Broker | undefined;
    findConnectedBroker(): Promise<Broker>;
  };
  /** Whose metadata are loaded. */
  readonly targetTopics: Set<string>;
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  refreshMetadata(): Promise<void>;
  /** Rejects when one does not exist; then none is added. */
  addMultipleTargetTopics(topics: readonly string[]): Promise<void>;
  findBroker(o: { nodeId: number }): Promise<Broker>;
  findGroupCoordinator(o: { groupId: string }): Promise<Broker>;
  findTopicPartitionMetadata(topic: string): readonly PartitionMetadata[];
  fetchTopicsOffset(
    topics: readonly (TopicsOf<{ partition: number }> & { fromBeginning: boolean })[],
  ): Promise<{ topic: string; partitions: { partition: number; offset: string }[] }[]>;
}

export interface KafkajsLogLine {
  readonly namespace: string;
  readonly log: Readonly<Record<string, unknown>> & { readonly message: string };
}

export interface KafkajsLogger {
  namespace(name: string): KafkajsLogger;
}

export interface Emitter {
  addListener(event: string, listener: (event: { readonly payload: unknown }) => void): () => void;
  emit(event: string, payload: unknown): void;
}

interface RetryNumbers {
  readonly retries: number;
  readonly initialRetryTime: number;
  readonly maxRetryTime: number;
  readonly multiplier: number;
  readonly factor: number;
  readonly restartOnFailure?: (error: Error) => Promise<boolean>;
}

export interface ClusterOptions {
  readonly logger: KafkajsLogger;
  readonly socketFactory: (o: {
    host: string;
    port: number;
    ssl: import('node:tls').ConnectionOptions | undefined;
    onConnect: () => void;
  }) => import('node:net').Socket;
  readonly brokers: readonly string[];
  readonly ssl: import('node:tls').ConnectionOptions | undefined;
  readonly sasl: { readonly mechanism: string; readonly username: string; readonly password: string } | undefined;
  readonly clientId: string;
  readonly connectionTimeout: number;
  readonly authenticationTimeout: number;
  readonly requestTimeout: number;
  readonly enforceRequestTimeout: true;
  readonly metadataMaxAge: number;
  readonly allowAutoTopicCreation: false;
  readonly isolationLevel: number;
  readonly retry: RetryNumbers;
}

export interface OffsetManager {
  readonly cluster: Cluster;
  readonly groupId: string;
  readonly generationId: number;
  readonly memberId: string;
  readonly instrumentationEmitter: Emitter;
  getCoordinator(): Promise<Broker>;
  clearOffsets(o: { topic: string; partition: number }): void;
  setDefaultOffset(o: { topic: string; partition: number }): Promise<void>;
}

interface Definition {
  protocol(o: { version: number }): (options: object) => ProtocolRequest;
}

type Class<T, A extends unknown[] = never> = { new (...args: A): T; readonly prototype: T };

export const KafkajsCluster = require('kafkajs/src/cluster') as Class<Cluster, [ClusterOptions]>;
export const KafkajsConnection = require('kafkajs/src/network/connection') as Class<Connection>;
export const KafkajsRequestQueue = require('kafkajs/src/network/requestQueue') as Class<RequestQueue>;
export const KafkajsOffsetManager = require('kafkajs/src/consumer/offsetManager') as Class<OffsetManager>;
export const KafkajsEmitter = require('kafkajs/src/instrumentation/emitter') as Class<Emitter, []>;

export const createKafkajsConsumer = require('kafkajs/src/consumer') as (o: {
  cluster: Cluster;
  groupId: string;
  retry: RetryNumbers;
  logger: KafkajsLogger;
  sessionTimeout: number;
  rebalanceTimeout: number;
  heartbeatInterval: number;
  maxBytesPerPartition: number;
  maxBytes: number;
  maxWaitTimeInMs: number;
  isolationLevel: number;
  metadataMaxAge: number;
  instrumentationEmitter: Emitter;
}) => Consumer;

export const createKafkajsAdmin = require('kafkajs/src/admin') as (o: {
  cluster: Cluster;
  logger: KafkajsLogger;
  retry: RetryNumbers;
}) => Admin;

export const createKafkajsLogger = (
  require('kafkajs/src/loggers') as {
    createLogger(o: { level: number; logCreator: () => (line: KafkajsLogLine) => void }): KafkajsLogger;
  }
).createLogger;

export const { requests } = require('kafkajs/src/protocol/requests') as { requests: { Fetch: Definition } };

/** Of version 7, whose versions are all we send. */
export const produceResponse = require('kafkajs/src/protocol/requests/produce/v7/response') as {
  decode(raw: Buffer): Promise<{
    clientSideThrottleTime: number;
    topics: { topicName: string; partitions: { partition: number; errorCode: number; baseOffset: string }[] }[];
  }>;
};

export const { createErrorFromCode } = require('kafkajs/src/protocol/error') as {
  createErrorFromCode(code: number): Error & { readonly type: string };
};

/** null = not compressed. Throws for a codec that is not built in. */
export const { lookupCodecByAttributes } = require('kafkajs/src/protocol/message/compression') as {
  lookupCodecByAttributes(attributes: number): { decompress(bytes: Buffer): Promise<Buffer> } | null;
};

export const READ_UNCOMMITTED = 0;
