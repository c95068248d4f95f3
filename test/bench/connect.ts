import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fetchJars } from '../../src/dev/stack/download';
import { choosePorts } from '../../src/dev/stack/ports';
import { launch, untilReady } from '../../src/dev/stack/process';
import { stack } from '../support/stack';
import { eventually } from '../support/wait';

const DEBEZIUM = '3.7.0.Final';
const CONVERTER = '2.6.13.Final';
const HEAP_MB = 1024;

export const CONNECT_VERSIONS = {
  Debezium: DEBEZIUM,
  'Apicurio converter': CONVERTER,
  'Connect heap': `${HEAP_MB} MB`,
};

export interface Connect {
  readonly pid: number;
  /** Resolves when the connector's task runs; where it fails, with what Connect says of it. */
  start(name: string, config: Readonly<Record<string, string | number | boolean>>): Promise<void>;
  remove(name: string): Promise<void>;
  stop(): Promise<void>;
}

/** A distributed worker of Kafka Connect with Debezium's PostgreSQL connector and the Avro converter, fetched by Maven. */
export async function startConnect(dir: string, cache: string, progress: (line: string) => void): Promise<Connect> {
  const { port } = await choosePorts({ port: 0 });
  mkdirSync(dir, { recursive: true });
  await installPlugins(join(dir, 'plugins'), cache, progress);
  const properties = join(dir, 'worker.properties');
  writeFileSync(properties, workerProperties(port, join(dir, 'plugins')));
  const classPath = join(stack().kafkaLibs, '*');
  const spec = {
    name: 'connect',
    command: 'java',
    args: [
      `-Xmx${HEAP_MB}m`,
      '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
      '-cp',
      classPath,
      'org.apache.kafka.connect.cli.ConnectDistributed',
      properties,
    ],
    dir,
    stopSignal: 'SIGTERM',
    killSignal: 'SIGKILL',
  } as const;
  progress('starting Kafka Connect');
  const server = await launch(spec);
  const url = `http://127.0.0.1:${port}`;
  await untilReady(server, spec, async () => (await fetch(`${url}/connectors`)).ok, 120_000);
  return {
    pid: server.pid,
    start: (name, config) => startConnector(url, name, config),
    remove: async (name) => void (await call(`${url}/connectors/${name}`, { method: 'DELETE' })),
    stop: server.stop,
  };
}

async function startConnector(url: string, name: string, config: object): Promise<void> {
  const body = JSON.stringify(config);
  const headers = { 'content-type': 'application/json' };
  await call(`${url}/connectors/${name}/config`, { method: 'PUT', headers, body });
  await eventually(
    async () => {
      const { tasks } = (await (await fetch(`${url}/connectors/${name}/status`)).json()) as {
        tasks?: { state: string; trace?: string }[];
      };
      const failed = tasks?.find(({ state }) => state === 'FAILED');
      return failed ? { failed: failed.trace ?? 'failed' } : tasks?.[0]?.state === 'RUNNING' && { failed: null };
    },
    { timeoutMs: 60_000, intervalMs: 20 },
  ).then(({ failed }) => {
    if (failed !== null) throw new Error(`connector ${name}: ${failed}`);
  });
}

/** A worker that rebalances answers 409 for a moment. */
async function call(url: string, init: RequestInit): Promise<void> {
  await eventually(
    async () => {
      const response = await fetch(url, init);
      return response.ok || Promise.reject(new Error(`${init.method} ${url}: ${await response.text()}`));
    },
    { timeoutMs: 60_000, intervalMs: 100 },
  );
}

async function installPlugins(folder: string, cache: string, progress: (line: string) => void): Promise<void> {
  const plugins = [
    ['debezium-postgres', 'io.debezium', 'debezium-connector-postgres', DEBEZIUM],
    ['apicurio-converter', 'io.apicurio', 'apicurio-registry-utils-converter', CONVERTER],
  ] as const;
  for (const [name, group, artifact, version] of plugins) {
    const jars = await fetchJars(cache, `${artifact}-${version}`, `${artifact} ${version}`, progress, [
      { group, artifact, version },
    ]);
    const plugin = join(folder, name);
    rmSync(plugin, { recursive: true, force: true });
    mkdirSync(plugin, { recursive: true });
    // What the worker itself brings must come from there.
    const own = readdirSync(jars).filter(
      (jar) => jar.endsWith('.jar') && !/^(kafka-clients|connect-api|connect-json)-/.test(jar),
    );
    for (const jar of own) symlinkSync(join(jars, jar), join(plugin, jar));
  }
}

function workerProperties(port: number, plugins: string): string {
  const settings = {
    'bootstrap.servers': stack().kafkaBrokers,
    'group.id': 'bench-connect',
    listeners: `http://127.0.0.1:${port}`,
    'plugin.path': plugins,
    'config.storage.topic': 'bench-connect-configs',
    'offset.storage.topic': 'bench-connect-offsets',
    'status.storage.topic': 'bench-connect-status',
    'config.storage.replication.factor': 1,
    'offset.storage.replication.factor': 1,
    'status.storage.replication.factor': 1,
    'key.converter': 'org.apache.kafka.connect.json.JsonConverter',
    'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
    'scheduled.rebalance.max.delay.ms': 0,
  };
  return Object.entries(settings)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
}
