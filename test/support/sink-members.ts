import type { ChangeEvent } from '../../src/core/change';
import { silentLogger } from '../../src/core/ports/log';
import { newSinkStats, silentSinkObservers } from '../../src/core/stats';
import { createGroupConsumer } from '../../src/kafka/consumer';
import { SINK_SESSION } from '../../src/messaging/session';
import { runSink } from '../../src/pipeline/sink';
import { openDatabase } from '../../src/postgres/database';
import { startKafkaProxy } from './kafka-proxy';
import type { SinkWorld } from './sinks';
import { stack } from './stack';
import { type Rewrite, startTcpProxy, type TcpProxy } from './tcp-proxy';

export type Table = 'tenants' | 'orders';

/** A change in the records of these tests, which the sinks themselves never see. */
export const encode = (event: ChangeEvent): string =>
  JSON.stringify(event, (_, value) => (typeof value === 'bigint' ? `${value}n` : value));
const decode = (bytes: Buffer): ChangeEvent =>
  JSON.parse(bytes.toString(), (_, value) =>
    typeof value === 'string' && /^-?\d+n$/.test(value) ? BigInt(value.slice(0, -1)) : value,
  );

/** A sink as in a process of its own, with links of its own that may fail: a member of the table's group. */
export class SinkMember {
  private readonly stopping = new AbortController();
  private ended: Promise<void> = Promise.resolve();
  /** Partitions held now. */
  partitions: () => readonly number[] = () => [];

  private constructor(
    private readonly kafka: TcpProxy,
    private readonly messaging: TcpProxy,
  ) {}

  /** `onAnswer` sees what the database answers, before the sink does. */
  static async join(
    world: SinkWorld,
    table: Table,
    topic: string,
    onAnswer?: (member: SinkMember, chunk: Buffer) => void,
  ): Promise<SinkMember> {
    const rewrite: Rewrite = (chunk) => {
      onAnswer?.(member, chunk);
      return chunk;
    };
    const kafka = await startKafkaProxy(stack().kafkaBrokers);
    const messaging = await startTcpProxy(world.url, () => rewrite);
    const member = new SinkMember(kafka, messaging);
    member.ended = member.live(world, table, topic);
    return member;
  }

  private async live(world: SinkWorld, table: Table, topic: string): Promise<void> {
    const url = this.messaging.through(world.url);
    const database = openDatabase(url, 'messaging', { applicationName: 'sink-member', session: SINK_SESSION });
    const { accounts, contacts } = await world.sinksWith({}, database);
    while (!this.stopping.signal.aborted) {
      const consumer = createGroupConsumer({
        access: { brokers: [`127.0.0.1:${this.kafka.port}`], ssl: null, sasl: null, clientId: 'sink-member' },
        log: silentLogger,
        groupId: topic,
        topics: [topic],
        concurrency: 2,
      });
      this.partitions = () => consumer.assignment().get(topic) ?? [];
      const life = runSink(
        { maxRecords: 5, topics: [topic], progressTimeoutMs: 60_000 },
        {
          consumer,
          decode: async (_, records) => records.flatMap(({ value }) => (value ? [decode(value)] : [])),
          sink: table === 'tenants' ? accounts : contacts,
          followHeartbeats: () => () => {},
          stats: newSinkStats(),
          observers: silentSinkObservers,
          log: silentLogger,
          onReadiness() {},
          onOutcomes() {},
        },
        this.stopping.signal,
      );
      await life.catch(() => {});
    }
    await database.close();
  }

  /** In good order. */
  async leave(): Promise<void> {
    this.stopping.abort();
    await this.ended;
    await Promise.all([this.kafka.close(), this.messaging.close()]);
  }

  /** Nothing of it is heard any more, nor what lay on its links. */
  async die(): Promise<void> {
    await Promise.all([this.kafka.refuse(), this.messaging.refuse()]);
    this.stopping.abort();
    await this.ended;
  }

  /** Its connections to the database are reset; it may open new ones. */
  cutMessaging(): void {
    this.messaging.cut();
  }

  /** A process that is stopped: its connections stay, and nothing moves on them. */
  freeze(): void {
    this.kafka.freeze();
    this.messaging.freeze();
  }

  /** What it had sent arrives, and it goes on as if nothing had been. */
  wake(): void {
    this.kafka.pass();
    this.messaging.pass();
  }
}
