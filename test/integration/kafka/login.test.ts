import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../../../src/core/ports/log';
import { type Kafka, startKafka } from '../../../src/dev/stack/kafka';
import { choosePorts } from '../../../src/dev/stack/ports';
import { openAdmin } from '../../../src/kafka/admin';
import type { KafkaAccess } from '../../../src/kafka/client';
import { createGroupConsumer } from '../../../src/kafka/consumer';
import { Authority, type Certificate } from '../../support/certificates';
import { stack, uniqueName } from '../../support/stack';
import { eventually } from '../../support/wait';
import { append, closeWriters, openWriter } from './support';

jest.setTimeout(60_000);

/** Listeners of one broker: one that wants TLS and a login, one that wants a client's certificate, two with a wrong one of their own. */
const LISTENERS = {
  PLAINTEXT: 'PLAINTEXT',
  CONTROLLER: 'PLAINTEXT',
  LOGIN: 'SASL_SSL',
  MUTUAL: 'SSL',
  ENDED: 'SSL',
  ELSEWHERE: 'SSL',
} as const;
type Listener = keyof typeof LISTENERS;

const PASSWORD = 'sesame';
const SECURITY = 'org.apache.kafka.common.security';

let dir: string;
let authority: Authority;
let others: Authority;
let kafka: Kafka;
let ports: Readonly<Record<Listener, number>>;
let right: KafkaAccess;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'kafka-'));
  authority = new Authority();
  others = new Authority();
  ports = await choosePorts({ PLAINTEXT: 0, CONTROLLER: 0, LOGIN: 0, MUTUAL: 0, ENDED: 0, ELSEWHERE: 0 });
  const addresses = (names: readonly string[]) =>
    names.map((name) => `${name}://127.0.0.1:${ports[name as Listener]}`).join(',');
  const names = Object.keys(LISTENERS);
  const login = (mechanism: string, module: string) => ({
    [`listener.name.login.${mechanism}.sasl.jaas.config`]: `${SECURITY}.${module} required username="admin" password="${PASSWORD}" user_admin="${PASSWORD}";`,
  });
  kafka = await startKafka({
    dir,
    port: ports.PLAINTEXT,
    controllerPort: ports.CONTROLLER,
    libs: stack().kafkaLibs,
    scram: ['SCRAM-SHA-256', 'SCRAM-SHA-512'].map((mechanism) => `${mechanism}=[name=admin,password=${PASSWORD}]`),
    settings: {
      listeners: addresses(names),
      'advertised.listeners': addresses(names.filter((name) => name !== 'CONTROLLER')),
      'listener.security.protocol.map': Object.entries(LISTENERS)
        .map(([name, protocol]) => `${name}:${protocol}`)
        .join(','),
      ...shown('login', authority.issue('broker')),
      ...shown('mutual', authority.issue('broker')),
      ...shown('ended', authority.issue('broker', { days: -1 })),
      ...shown('elsewhere', authority.issue('broker', { names: 'DNS:kafka.example' })),
      'listener.name.mutual.ssl.client.auth': 'required',
      'listener.name.mutual.ssl.truststore.type': 'PEM',
      'listener.name.mutual.ssl.truststore.location': authority.certFile,
      'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
      ...login('plain', 'plain.PlainLoginModule'),
      ...login('scram-sha-256', 'scram.ScramLoginModule'),
      ...login('scram-sha-512', 'scram.ScramLoginModule'),
    },
  });
  right = {
    brokers: [`127.0.0.1:${ports.LOGIN}`],
    ssl: { ca: authority.cert, client: null },
    sasl: { mechanism: 'plain', username: 'admin', password: PASSWORD },
  };
});

/** What the listener shows of itself. */
function shown(listener: string, { key, cert }: Certificate) {
  const location = join(dir, `${listener}.pem`);
  writeFileSync(location, key + cert);
  return {
    [`listener.name.${listener}.ssl.keystore.type`]: 'PEM',
    [`listener.name.${listener}.ssl.keystore.location`]: location,
  };
}

afterAll(async () => {
  await kafka?.stop();
  rmSync(dir, { recursive: true, force: true });
  authority.drop();
  others.drop();
});
afterEach(closeWriters);

it.each<[string, () => KafkaAccess]>([
  ['PLAIN', () => right],
  ['SCRAM-SHA-256', () => ({ ...right, sasl: { ...right.sasl!, mechanism: 'scram-sha-256' } })],
  ['SCRAM-SHA-512', () => ({ ...right, sasl: { ...right.sasl!, mechanism: 'scram-sha-512' } })],
  ["a client's certificate", () => certified(authority)],
])('everything works behind TLS and a login by %s', async (_by, allowed) => {
  const access = allowed();
  const name = uniqueName('login');
  const topics = { data: `${name}.a`, other: `${name}.b`, state: `${name}_state`, deadLetters: `${name}_dlq` };
  const admin = await openAdmin(access, silentLogger);
  await admin.ensureTopics([
    { name: topics.data, purpose: 'changes', partitions: 3 },
    { name: topics.other, purpose: 'changes', partitions: 3 },
    { name: topics.state, purpose: 'state', partitions: 1 },
  ]);
  await admin.close();
  const writer = await openWriter(topics, { access });
  const batch = writer.newBatch();
  for (let n = 0; n < 300; n++) append(batch, topics.data, n % 3, n, 'x'.repeat(1000));
  await writer.flush(batch);
  let records = 0;
  // A broker that has just started loads its coordinator first, and ends the lives of consumers until then.
  const consumer = await eventually(async () => {
    const started = createGroupConsumer({ access, log: silentLogger, groupId: name, topics: [topics.data] });
    const ended = started.run(async (batch) => {
      records += batch.records.length;
    });
    await Promise.race([ended, eventually(() => started.assignment().size > 0)]);
    return started;
  });
  await eventually(() => records === 300);
  await consumer.stop();
});

/** By the listener that asks for one. */
const certified = (signer: Authority): KafkaAccess => ({
  brokers: [`127.0.0.1:${ports.MUTUAL}`],
  ssl: { ca: authority.cert, client: signer.issue('capture') },
  sasl: null,
});
const unsaid = (listener: Listener): KafkaAccess => ({
  ...right,
  brokers: [`127.0.0.1:${ports[listener]}`],
  sasl: null,
});

it.each<[string, () => KafkaAccess, string, RegExp]>([
  ['a wrong password', () => login({ password: 'wrong' }), 'kafka_refused', /PLAIN/],
  [
    'a wrong password, with SCRAM',
    () => login({ password: 'wrong', mechanism: 'scram-sha-256' }),
    'kafka_refused',
    /SCRAM/,
  ],
  [
    'an authority that we do not know',
    () => ({ ...right, ssl: { ca: others.cert, client: null } }),
    'kafka_refused',
    /UNABLE_TO|SELF_SIGNED|verify/i,
  ],
  ['a certificate for another host', () => unsaid('ELSEWHERE'), 'kafka_refused', /altname/i],
  ['a certificate that has ended', () => unsaid('ENDED'), 'kafka_refused', /expired/i],
  [
    "a client's certificate that the broker does not trust",
    () => certified(others),
    'kafka_refused',
    /alert|certificate/i,
  ],
  ["no client's certificate where one is wanted", () => unsaid('MUTUAL'), 'kafka_refused', /alert|certificate/i],
  ['no TLS', () => ({ ...right, ssl: null }), 'kafka_unreachable', /./],
])('refuses at once: %s', async (_what, wrong, kind, reason) => {
  const began = performance.now();
  const access = wrong();
  const failure = await openAdmin(access, silentLogger).catch((error) => error);
  expect(failure).toMatchObject({ kind, message: expect.stringMatching(reason) });
  expect(`${failure.message} ${failure.fix}`).not.toMatch(/sesame|wrong/);
  const consumer = createGroupConsumer({ access, log: silentLogger, groupId: 'group', topics: ['topic'] });
  await expect(consumer.run(async () => {})).rejects.toMatchObject({ kind });
  if (kind === 'kafka_refused') expect(performance.now() - began).toBeLessThan(5000);
});

function login(wrong: Partial<NonNullable<KafkaAccess['sasl']>>): KafkaAccess {
  return { ...right, sasl: { ...right.sasl!, ...wrong } };
}
