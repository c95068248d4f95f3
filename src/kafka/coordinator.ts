import type { TopicPartitions } from '../core/ports/topics';
import type { Broker, Cluster } from './internals';
import { patiently, typeOf } from './patience';
import type { ProducerIdentity } from './record-batch';

const TRANSACTION = 1;
/** An open transaction of a writer that died is aborted by the coordinator after this time, if no new writer comes. */
const TRANSACTION_TIMEOUT_MS = 60_000;
/** Epochs are int16; after this one InitProducerId gives another producer id, at epoch 0. */
const LAST_EPOCH = 32_766;

/**
 * What we use of Kafka's transactions: the producer's epoch, and the abort markers that carry it into every partition.
 * No record is ever part of a transaction.
 */
export class TransactionCoordinator {
  private broker: Broker | null = null;

  constructor(
    private readonly cluster: Cluster,
    private readonly transactionalId: string,
    private readonly timeoutMs: number,
  ) {}

  /**
   * Raises the epoch: every writer before is refused wherever {@link mark} has left a marker. A transaction that a dead
   * writer left open is aborted by the coordinator first.
   */
  async raise(topics: readonly TopicPartitions[]): Promise<ProducerIdentity> {
    const identity = await this.initialize();
    if (identity.epoch < LAST_EPOCH) return identity;
    // Markers of the next producer id would fence nobody of this one. A transaction that is open when the id changes is
    // aborted with the id's very last epoch, which nobody ever writes with.
    await this.add(identity, topics);
    return this.initialize();
  }

  /**
   * An abort with nothing sent: a marker in every partition, which no reader sees. It is answered before the markers are
   * written. Markers of the same epoch keep the sequence numbers.
   */
  async mark(identity: ProducerIdentity, topics: readonly TopicPartitions[]): Promise<void> {
    await this.add(identity, topics);
    await this.call((broker) => broker.endTxn({ ...this.named(identity), transactionResult: false }));
  }

  private async initialize(): Promise<ProducerIdentity> {
    const { transactionalId } = this;
    const { producerId, producerEpoch } = await this.call((broker) =>
      broker.initProducerId({ transactionalId, transactionTimeout: TRANSACTION_TIMEOUT_MS }),
    );
    return { producerId: BigInt(producerId), epoch: producerEpoch };
  }

  /** Topic by topic: of several only the first error is told, which may be that of a topic that was not even tried. */
  private async add(identity: ProducerIdentity, topics: readonly TopicPartitions[]): Promise<void> {
    for (const { name, partitions } of topics) {
      const topic = { topic: name, partitions: Array.from({ length: partitions }, (_, partition) => partition) };
      await this.call((broker) => broker.addPartitionsToTxn({ ...this.named(identity), topics: [topic] }));
    }
  }

  private named({ producerId, epoch }: ProducerIdentity) {
    return { transactionalId: this.transactionalId, producerId: String(producerId), producerEpoch: epoch };
  }

  /** Every request of ours may be repeated. */
  private call<T>(request: (broker: Broker) => Promise<T>): Promise<T> {
    return patiently(
      this.timeoutMs,
      async () => {
        this.broker ??= await this.find();
        return request(this.broker);
      },
      (error) => {
        if (typeOf(error) !== 'CONCURRENT_TRANSACTIONS') this.broker = null;
      },
    );
  }

  private async find(): Promise<Broker> {
    const any = await this.cluster.brokerPool.findConnectedBroker();
    const key = { groupId: this.transactionalId, coordinatorType: TRANSACTION };
    const { coordinator } = await any.findGroupCoordinator(key);
    return this.cluster.findBroker({ nodeId: coordinator.nodeId });
  }
}
