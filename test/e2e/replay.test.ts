import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ShopDatabase } from '../../src/dev/shop/shop-database';
import { playShop } from '../../src/dev/shop/story';
import { openDatabase } from '../../src/postgres/database';
import { TestPipeline } from '../support/pipeline';
import { stack } from '../support/stack';
import { withKafkaAdmin } from '../support/topics';

jest.setTimeout(90_000);

/** `kafka-consumer-groups.sh` as Kafka's own jars have it. */
async function consumerGroups(...args: string[]): Promise<string> {
  const { kafkaLibs, kafkaBrokers } = stack();
  const java = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Dorg.slf4j.simpleLogger.defaultLogLevel=error'];
  const main = ['-cp', `${kafkaLibs}/*`, 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand'];
  const { stdout } = await promisify(execFile)('java', [...java, ...main, '--bootstrap-server', kafkaBrokers, ...args]);
  return stdout;
}

describe('a replay of everything by kafka-consumer-groups.sh', () => {
  let pipeline: TestPipeline;
  beforeAll(async () => {
    pipeline = await TestPipeline.create('seed');
    await pipeline.setup();
  });
  afterAll(() => pipeline?.drop());

  const tell = async (actions: number, story: ReturnType<typeof playShop>) => {
    const { sourceUrl, messagingUrl, profile } = pipeline.databases;
    const [source, messaging] = [
      openDatabase(sourceUrl, 'source', { applicationName: 'shop' }),
      openDatabase(messagingUrl, 'messaging', { applicationName: 'shop' }),
    ];
    try {
      const shop = await ShopDatabase.open(source, messaging, profile);
      for (let i = 0; i < actions; i++) await shop.perform(source, story.next().value);
      await pipeline.caughtUp();
      // Agents edit contacts: these must be there.
      for (let i = 0; i < actions; i++) await shop.perform(source, story.next().value);
      await pipeline.caughtUp();
    } finally {
      await Promise.all([source.close(), messaging.close()]);
    }
  };

  /** Every row of the ledger with its place and the transaction that wrote it, checkpoints excepted. */
  const ledgerRows = () =>
    pipeline.messaging(async (client) => {
      const { rows: tables } = await client.query<{ name: string }>(
        "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'cdc' AND tablename <> 'checkpoint' ORDER BY 1",
      );
      const selects = tables.map(
        ({ name }) => `SELECT '${name}' AS table, ctid::text, xmin::text, to_jsonb(t) AS row FROM cdc.${name} t`,
      );
      return (await client.query(`${selects.join(' UNION ALL ')} ORDER BY 1, 2`)).rows;
    });

  it('changes no row of Messaging and none of the ledger (Invariant 9, A02)', async () => {
    await pipeline.start().ready();
    await tell(250, playShop(20_260));
    await pipeline.stop();
    const [messaging, ledger] = [await pipeline.messagingRows(), await ledgerRows()];
    expect(messaging.length).toBeGreaterThan(50);
    expect(ledger.length).toBeGreaterThan(100);

    for (const [group, topic] of [
      [pipeline.groups.accounts, pipeline.topics.tenants],
      [pipeline.groups.contacts, pipeline.topics.orders],
    ] as const) {
      const reset = await consumerGroups(
        '--group',
        group,
        '--topic',
        topic,
        '--reset-offsets',
        '--to-earliest',
        '--execute',
      );
      expect(reset).toMatch(new RegExp(`${group}\\s+${topic}\\s+\\d\\s+0\\b`));
      const offsets = await withKafkaAdmin((admin) => admin.fetchOffsets({ groupId: group, topics: [topic] }));
      expect(offsets[0]!.partitions.map(({ offset }) => offset)).toEqual(Array(6).fill('0'));
    }

    const { accounts, contacts } = pipeline.connectors;
    const sinks = await pipeline.start(accounts, contacts).ready();
    await pipeline.applied();
    const metrics = await (await fetch(`${await sinks.address()}/metrics`)).text();
    await sinks.stop();

    expect(await pipeline.messagingRows()).toEqual(messaging);
    expect(await ledgerRows()).toEqual(ledger);
    const stale = [...metrics.matchAll(/^ventia_cdc_events_stale_total\{.*\} (\d+)$/gm)].map(([, count]) =>
      Number(count),
    );
    expect(stale.filter((count) => count > 0)).toHaveLength(2);
  });
});
