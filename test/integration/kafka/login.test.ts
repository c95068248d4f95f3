import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../../../src/core/ports/log';
import { type Kafka, startKafka } from '../../../src/dev/stack/kafka';
import { choosePorts } from '../../../src/dev/stack/ports';
import { openAdmin } from '../../../src/kafka/admin';
import type { KafkaAccess } from '../../../src/kafka/client';
import { createGroupConsumer } from '../../../src/kafka/consumer';
import { stack, uniqueName } from '../../support/stack';
import { eventually } from '../../support/wait';
import { append, closeWriters, openWriter } from './support';

jest.setTimeout(60_000);

/** A broker that wants TLS and a login. Its certificate is of its own making. */
let dir: string;
let kafka: Kafka;
let right: KafkaAccess;

const LISTENER = 'listener.name.sasl_ssl';
const PLAIN = 'org.apache.kafka.common.security.plain.PlainLoginModule';

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'kafka-'));
  const { port, securePort, controllerPort } = await choosePorts({ port: 0, securePort: 0, controllerPort: 0 });
  const store = join(dir, 'broker.p12');
  const keytool = (...args: string[]) =>
    execFileSync('keytool', [...args, '-keystore', store, '-storepass', 'changeit', '-alias', 'broker'], {
      stdio: 'pipe',
    });
  const name = ['-dname', 'CN=127.0.0.1', '-ext', 'SAN=IP:127.0.0.1'];
  keytool(
    '-genkeypair',
    '-keyalg',
    'EC',
    '-groupname',
    'secp256r1',
    '-validity',
    '10',
    '-storetype',
    'PKCS12',
    ...name,
  );
  const certificate = join(dir, 'ca.pem');
  keytool('-exportcert', '-rfc', '-file', certificate);
  const settings = {
    listeners: `PLAINTEXT://127.0.0.1:${port},SASL_SSL://127.0.0.1:${securePort},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port},SASL_SSL://127.0.0.1:${securePort}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT',
    'ssl.keystore.location': store,
    'ssl.keystore.password': 'changeit',
    'sasl.enabled.mechanisms': 'PLAIN',
    [`${LISTENER}.plain.sasl.jaas.config`]: `${PLAIN} required username="admin" password="sesame" user_admin="sesame";`,
  };
  kafka = await startKafka({ dir, port, controllerPort, libs: stack().kafkaLibs, settings });
  right = {
    brokers: [`127.0.0.1:${securePort}`],
    ssl: { ca: readFileSync(certificate, 'utf8'), client: null },
    sasl: { mechanism: 'plain', username: 'admin', password: 'sesame' },
  };
});
afterAll(async () => {
  await kafka.stop();
  rmSync(dir, { recursive: true, force: true });
});
afterEach(closeWriters);

it('everything works behind TLS and a login', async () => {
  const name = uniqueName('login');
  const topics = { data: `${name}.a`, other: `${name}.b`, state: `${name}_state`, deadLetters: `${name}_dlq` };
  const admin = await openAdmin(right, silentLogger);
  await admin.ensureTopics([
    { name: topics.data, purpose: 'changes', partitions: 3 },
    { name: topics.other, purpose: 'changes', partitions: 3 },
    { name: topics.state, purpose: 'state', partitions: 1 },
  ]);
  await admin.close();
  const writer = await openWriter(topics, { access: right });
  const batch = writer.newBatch();
  for (let n = 0; n < 300; n++) append(batch, topics.data, n % 3, n, 'x'.repeat(1000));
  await writer.flush(batch);
  let records = 0;
  // A broker that has just started loads its coordinator first, and ends the lives of consumers until then.
  const consumer = await eventually(async () => {
    const started = createGroupConsumer({ access: right, log: silentLogger, groupId: name, topics: [topics.data] });
    const ended = started.run(async (batch) => {
      records += batch.records.length;
    });
    await Promise.race([ended, eventually(() => started.assignment().size > 0)]);
    return started;
  });
  await eventually(() => records === 300);
  await consumer.stop();
});

it.each<[string, () => Partial<KafkaAccess>, string]>([
  ['a wrong password', () => ({ sasl: { mechanism: 'plain', username: 'admin', password: 'wrong' } }), 'kafka_refused'],
  [
    'a mechanism that it does not offer',
    () => ({ sasl: { ...right.sasl!, mechanism: 'scram-sha-512' } }),
    'kafka_refused',
  ],
  ['an authority that we do not know', () => ({ ssl: { ca: null, client: null } }), 'kafka_refused'],
  ['no TLS', () => ({ ssl: null }), 'kafka_unreachable'],
])('refuses at once: %s', async (_what, wrong, kind) => {
  const began = performance.now();
  const access = { ...right, ...wrong() };
  const failure = await openAdmin(access, silentLogger).catch((error) => error);
  expect(failure).toMatchObject({ kind });
  expect(`${failure.message} ${failure.fix}`).not.toMatch(/sesame|wrong/);
  const consumer = createGroupConsumer({ access, log: silentLogger, groupId: 'group', topics: ['topic'] });
  await expect(consumer.run(async () => {})).rejects.toMatchObject({ kind });
  if (kind === 'kafka_refused') expect(performance.now() - began).toBeLessThan(5000);
});
