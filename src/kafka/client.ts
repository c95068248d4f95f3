import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import type { Admin, Consumer } from 'kafkajs';
import type { Logger } from '../core/ports/log';
import { toKafkaError } from './errors';
import {
  type Cluster,
  type ClusterOptions,
  createKafkajsAdmin,
  createKafkajsConsumer,
  type Emitter,
  KafkajsCluster,
  KafkajsEmitter,
  READ_UNCOMMITTED,
} from './internals';
import { bridgeLog } from './log-bridge';
import { mendKafkajs } from './mends';

/** How to reach and to enter the cluster; PEM texts. */
export interface KafkaAccess {
  /** `host:port`, at least one. */
  readonly brokers: readonly string[];
  /** Null = plain text. Null inside = the system's authorities, no client certificate. */
  readonly ssl: {
    readonly ca: string | null;
    readonly client: { readonly cert: string; readonly key: string } | null;
  } | null;
  readonly sasl: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
    readonly username: string;
    readonly password: string;
  } | null;
  /** Shown in the brokers' logs and quotas. */
  readonly clientId?: string;
}

/** A broker that answers nothing for this long is given up, so that no silent connection lives for 15 s. */
const REQUEST_TIMEOUT_MS = 8000;
const CONNECT_TIMEOUT_MS = 3000;
const METADATA_MAX_AGE_MS = 60_000;
/** Within this a group notices new partitions. */
const CONSUMER_METADATA_MAX_AGE_MS = 10_000;
/** TCP's own probes keep firewalls from forgetting an idle connection. */
const TCP_KEEPALIVE_MS = 30_000;

/** Kind of coordinator, in the protocol. */
const GROUP = 0;

/** Few and quick (0.7 s): whoever owns a client tries again as a whole, with a backoff that is seen. */
const RETRY = { retries: 3, initialRetryTime: 100, maxRetryTime: 2000, multiplier: 2, factor: 0.2 };
/**
 * A consumer waits about 7 s for brokers that are away, as in a restart: one that gives up comes back as another member, and
 * the group then waits for the old one until its session is over.
 */
const CONSUMER_RETRY = { ...RETRY, retries: 7, restartOnFailure: () => Promise.resolve(false) };

export interface KafkaLink {
  readonly cluster: Cluster;
  /** Ends all connections at once, for good: what waits for an answer is rejected, and no new connection is made. */
  cut(why: Error): void;
}

export interface LinkTuning {
  readonly requestTimeoutMs?: number;
  readonly retry?: ClusterOptions['retry'];
  readonly metadataMaxAgeMs?: number;
}

/** kafkajs's connections, metadata and logins; nothing is connected yet. The only place where they are made. */
export function openLink(
  access: KafkaAccess,
  log: Logger,
  { requestTimeoutMs = REQUEST_TIMEOUT_MS, retry = RETRY, metadataMaxAgeMs = METADATA_MAX_AGE_MS }: LinkTuning = {},
): KafkaLink {
  mendKafkajs();
  const sockets = new Set<Socket>();
  let ended: Error | null = null;
  const options: ClusterOptions = {
    logger: bridgeLog(log),
    socketFactory: (target) => {
      if (ended) throw ended;
      const socket = openSocket(target);
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      return socket;
    },
    brokers: access.brokers,
    ssl: access.ssl ? tlsOptions(access.ssl) : undefined,
    // A copy: kafkajs keeps its authenticator in it.
    sasl: access.sasl ? { ...access.sasl } : undefined,
    clientId: access.clientId ?? 'ventia-cdc',
    connectionTimeout: CONNECT_TIMEOUT_MS,
    authenticationTimeout: CONNECT_TIMEOUT_MS,
    // kafkajs takes the longer of this and a request's own.
    requestTimeout: requestTimeoutMs,
    enforceRequestTimeout: true,
    metadataMaxAge: metadataMaxAgeMs,
    allowAutoTopicCreation: false,
    isolationLevel: READ_UNCOMMITTED,
    retry,
  };
  const cut = (why: Error) => {
    ended ??= why;
    for (const socket of sockets) socket.destroy(why);
  };
  return { cluster: new KafkajsCluster(options), cut };
}

/**
 * Whether the cluster can be entered and the group joined, told within a second or so: a consumer itself is more patient, and
 * takes a group that is forbidden for one that nobody coordinates.
 */
export async function probe(access: KafkaAccess, log: Logger, groupId: string): Promise<void> {
  const { cluster, cut } = openLink(access, log);
  try {
    await cluster.connect();
    const broker = await cluster.brokerPool.findConnectedBroker();
    await broker.findGroupCoordinator({ groupId, coordinatorType: GROUP }).catch((error: { type?: string }) => {
      if (error.type === 'GROUP_AUTHORIZATION_FAILED') throw toKafkaError(error, `group ${groupId}`);
    });
  } finally {
    cut(new Error('the probe is over'));
  }
}

export interface ConsumerClient extends KafkaLink {
  readonly consumer: Consumer;
  readonly events: Emitter;
}

export interface ConsumerTuning {
  readonly groupId: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly heartbeatMs: number;
  readonly maxWaitMs: number;
  readonly maxBytesPerPartition: number;
  readonly maxBytes: number;
}

/** A crash ends it: whoever owns it makes a new one, so that there is one loop of retries and not two. */
export function newConsumer(access: KafkaAccess, log: Logger, tuning: ConsumerTuning): ConsumerClient {
  const link = openLink(access, log, { retry: CONSUMER_RETRY, metadataMaxAgeMs: CONSUMER_METADATA_MAX_AGE_MS });
  const events = new KafkajsEmitter();
  const consumer = createKafkajsConsumer({
    cluster: link.cluster,
    logger: bridgeLog(log),
    groupId: tuning.groupId,
    retry: CONSUMER_RETRY,
    sessionTimeout: tuning.sessionTimeoutMs,
    rebalanceTimeout: tuning.rebalanceTimeoutMs,
    heartbeatInterval: tuning.heartbeatMs,
    maxBytesPerPartition: tuning.maxBytesPerPartition,
    maxBytes: tuning.maxBytes,
    maxWaitTimeInMs: tuning.maxWaitMs,
    isolationLevel: READ_UNCOMMITTED,
    metadataMaxAge: CONSUMER_METADATA_MAX_AGE_MS,
    instrumentationEmitter: events,
  });
  return { ...link, consumer, events };
}

export interface AdminClient extends KafkaLink {
  readonly admin: Admin;
}

export function newAdmin(access: KafkaAccess, log: Logger): AdminClient {
  const link = openLink(access, log);
  return { ...link, admin: createKafkajsAdmin({ cluster: link.cluster, logger: bridgeLog(log), retry: RETRY }) };
}

/** Without TCP_NODELAY a small request waits for the acknowledgement of the one before. */
function openSocket({ host, port, ssl, onConnect }: Parameters<ClusterOptions['socketFactory']>[0]): Socket {
  const socket = ssl
    ? connectTls({ host, port, ...(isIP(host) ? {} : { servername: host }), ...ssl }, onConnect)
    : connectTcp({ host, port }, onConnect);
  socket.setNoDelay(true);
  socket.setKeepAlive(true, TCP_KEEPALIVE_MS);
  return socket;
}

function tlsOptions({ ca, client }: NonNullable<KafkaAccess['ssl']>): ConnectionOptions {
  return { ...(ca !== null && { ca }), ...(client && { cert: client.cert, key: client.key }) };
}
