import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { Kafka, logLevel } from 'kafkajs';
import { type Kafka as Broker, startKafka } from '../../src/dev/stack/kafka';
import { choosePorts } from '../../src/dev/stack/ports';
import { TestPipeline } from '../support/pipeline';
import { stack } from '../support/stack';
import { VentiaRows } from '../support/ventia-rows';

jest.setTimeout(180_000);

const SCRIPT = resolve(__dirname, '../../docker/kafka-acls.sh');
const USERS = ['capture', 'sink', 'ana'] as const;

/** A broker that forbids what nobody has allowed; without a login (as administrators do here) everything is allowed. */
let dir: string;
let broker: Broker;
let behindLogin: string;
let pipeline: TestPipeline;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'kafka-acls-'));
  const ports = await choosePorts({ admin: 0, login: 0, controller: 0 });
  const listeners = `PLAINTEXT://127.0.0.1:${ports.admin},LOGIN://127.0.0.1:${ports.login}`;
  behindLogin = `127.0.0.1:${ports.login}`;
  broker = await startKafka({
    dir,
    port: ports.admin,
    controllerPort: ports.controller,
    libs: stack().kafkaLibs,
    settings: {
      listeners: `${listeners},CONTROLLER://127.0.0.1:${ports.controller}`,
      'advertised.listeners': listeners,
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,LOGIN:SASL_PLAINTEXT',
      'sasl.enabled.mechanisms': 'PLAIN',
      'listener.name.login.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required ${USERS.map((user) => `user_${user}="${user}-pw"`).join(' ')};`,
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': 'User:ANONYMOUS',
    },
  });
  pipeline = await TestPipeline.create('seed', { brokers: broker.brokers });
  await pipeline.setup();
});
afterAll(async () => {
  try {
    await pipeline?.drop();
  } finally {
    await broker?.stop();
    rmSync(dir, { recursive: true, force: true });
  }
});

const loginOf = (user: (typeof USERS)[number]) => ({
  KAFKA_BROKERS: behindLogin,
  KAFKA_SASL_MECHANISM: 'plain',
  KAFKA_SASL_USERNAME: user,
  KAFKA_SASL_PASSWORD: `${user}-pw`,
});

/** The script as administrators run it, with Kafka's own tool. */
async function allow(): Promise<void> {
  const tool = join(dir, 'kafka-acls.sh');
  writeFileSync(
    tool,
    `#!/bin/sh\nexec java -XX:TieredStopAtLevel=1 -cp '${stack().kafkaLibs}/*' org.apache.kafka.tools.AclCommand "$@"\n`,
    { mode: 0o755 },
  );
  const { topics, groups, connectors, stateTopic, deadLetterTopic } = pipeline;
  await promisify(execFile)(SCRIPT, ['--bootstrap-server', broker.brokers], {
    env: {
      ...process.env,
      PATH: `${dir}:${process.env.PATH}`,
      CAPTURE: 'User:capture',
      SINK: 'User:sink',
      READER: 'User:ana',
      CONNECTOR: connectors.source,
      TOPICS: Object.values(topics).join(' '),
      SINK_GROUPS: Object.values(groups).join(' '),
      STATE_TOPIC: stateTopic,
      DEAD_LETTER_TOPIC: deadLetterTopic,
    },
  });
}

it('capture and the sinks are refused by name before they are allowed, and then do all their work', async () => {
  const capture = pipeline.startWith(loginOf('capture'), pipeline.connectors.source);
  await capture.notReady('CDC-301', 15_000);
  expect((await capture.readiness()).reason).toContain(pipeline.name);
  const sinks = pipeline.startWith(loginOf('sink'), pipeline.connectors.accounts, pipeline.connectors.contacts);
  await sinks.notReady('CDC-301', 15_000);
  expect((await sinks.readiness()).reason).toMatch(/group/);
  await allow();
  await Promise.all([capture.ready(60_000), sinks.ready(60_000)]);
  await pipeline.source(async (client) => {
    const rows = await VentiaRows.open(client, 'ventia');
    const tenant = await rows.tenant('bodega');
    await rows.order(tenant, { customer_email: 'ana@correo.pe', customer_name: 'Ana' });
  });
  await pipeline.caughtUp(60_000);
  expect(
    await pipeline.messaging(async (client) => (await client.query('SELECT email FROM messaging.contacts')).rows),
  ).toEqual([{ email: 'ana@correo.pe' }]);
});

it('a sink may not write, and a reader reads the changes and nothing else', async () => {
  const { topics, stateTopic, groups } = pipeline;
  await expect(write('sink', topics.orders)).rejects.toThrow(/not authorized/i);
  await expect(write('ana', topics.orders)).rejects.toThrow(/not authorized/i);
  await read('ana', topics.orders, 'analysts-1');
  await expect(read('ana', stateTopic, 'analysts-2')).rejects.toThrow(/not authorized/i);
  await expect(read('ana', topics.orders, groups.contacts)).rejects.toThrow('Failed to find group coordinator');
});

const clientOf = (user: (typeof USERS)[number]) =>
  new Kafka({
    brokers: [behindLogin],
    sasl: { mechanism: 'plain', username: user, password: `${user}-pw` },
    logLevel: logLevel.NOTHING,
    retry: { retries: 0 },
  });

async function write(user: (typeof USERS)[number], topic: string): Promise<void> {
  const producer = clientOf(user).producer();
  await producer.connect();
  await producer.send({ topic, messages: [{ value: 'x' }] }).finally(() => producer.disconnect());
}

/** Resolves with the first record. */
async function read(user: (typeof USERS)[number], topic: string, groupId: string): Promise<void> {
  const consumer = clientOf(user).consumer({ groupId, retry: { restartOnFailure: async () => false } });
  try {
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await new Promise<void>((done, fail) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => fail(payload.error));
      consumer.run({ eachMessage: async () => done() }).catch(fail);
    });
  } finally {
    await consumer.disconnect();
  }
}
