import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { launch, untilReady } from './process';

export interface KafkaOptions {
  /** Holds the logs, the configuration and the pid file; made when missing. */
  readonly dir: string;
  readonly port: number;
  readonly controllerPort: number;
  /** Folder of jars. */
  readonly libs: string;
  /** Shared by the nodes of a cluster; a new one when absent. */
  readonly clusterId?: string;
  /** Default 512. */
  readonly heapMb?: number;
  /** Passwords that the broker keeps itself, by `mechanism=[name=…,password=…]`; for a new `dir`. */
  readonly scram?: readonly string[];
  /** Broker settings beyond the defaults below, as in server.properties. */
  readonly settings?: Readonly<Record<string, string | number>>;
}

export interface Kafka {
  /** `host:port`. */
  readonly brokers: string;
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Starts one Kafka node (broker and controller) on 127.0.0.1 and returns when it answers. The data stay in `dir`. */
export async function startKafka(options: KafkaOptions): Promise<Kafka> {
  const logs = join(options.dir, 'logs');
  const config = join(options.dir, 'server.properties');
  mkdirSync(options.dir, { recursive: true });
  writeFileSync(config, properties(options, logs));
  const classPath = join(options.libs, '*');
  if (!existsSync(join(logs, 'meta.properties'))) {
    rmSync(logs, { recursive: true, force: true });
    const clusterId = options.clusterId ?? randomBytes(16).toString('base64url');
    // An id may begin with a dash.
    const format = ['kafka.tools.StorageTool', 'format', `--cluster-id=${clusterId}`, '-c', config];
    for (const login of options.scram ?? []) format.push('--add-scram', login);
    await promisify(execFile)('java', [...FAST_START, '-cp', classPath, ...format]);
  }
  const spec = {
    name: 'kafka',
    command: 'java',
    // Each network thread keeps a buffer as large as the largest request it read, outside the heap; without room for it the
    // thread serves none of its connections any more.
    args: [
      `-Xmx${options.heapMb ?? 512}m`,
      '-XX:MaxDirectMemorySize=1g',
      ...FAST_START,
      '-cp',
      classPath,
      'kafka.Kafka',
      config,
    ],
    dir: options.dir,
    stopSignal: 'SIGTERM',
    killSignal: 'SIGKILL',
  } as const;
  const server = await launch(spec);
  await untilReady(server, spec, () => answers(options.port));
  return { brokers: `127.0.0.1:${options.port}`, port: options.port, pid: server.pid, stop: server.stop };
}

const FAST_START = [
  '-XX:TieredStopAtLevel=1',
  '-XX:+UseSerialGC',
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
  '-Dorg.slf4j.simpleLogger.showDateTime=true',
  '-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS',
];

function properties(options: KafkaOptions, logs: string): string {
  const settings = {
    'process.roles': 'broker,controller',
    'node.id': 1,
    // Not a bootstrap address: the voter's port then comes from here and not from the log, so it may change between starts.
    'controller.quorum.voters': `1@127.0.0.1:${options.controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${options.port},CONTROLLER://127.0.0.1:${options.controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${options.port}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'log.dirs': logs,
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 5,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': 5,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
    // After kill -9 the controller lets the node in again only when its former session is over (default 9 s).
    'broker.session.timeout.ms': 4_000,
    'broker.heartbeat.interval.ms': 500,
    'auto.create.topics.enable': false,
    // Without it no broker looks at flush.ms, and what it acknowledges waits for the system to write it back.
    'log.flush.scheduler.interval.ms': 1_000,
    ...options.settings,
  };
  return Object.entries(settings)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
}

/** Sends an ApiVersions request: a listening port alone says nothing about a broker. */
function answers(port: number): Promise<boolean> {
  const request = Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff]);
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, timeout: 2_000 }, () => socket.write(request));
    const done = (answered: boolean) => {
      socket.destroy();
      resolve(answered);
    };
    socket.once('data', (bytes) => done(bytes.length >= 8 && bytes.readInt32BE(4) === 7));
    socket.once('error', () => done(false));
    socket.once('timeout', () => done(false));
    socket.once('close', () => done(false));
  });
}
