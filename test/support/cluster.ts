import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Kafka, startKafka } from '../../src/dev/stack/kafka';
import { choosePorts } from '../../src/dev/stack/ports';

const NODES = [1, 2, 3] as const;

/** Three Kafka nodes, each broker and controller, on 127.0.0.1, with their data in a temporary folder. */
export class KafkaCluster {
  private readonly nodes = new Map<number, Kafka>();

  private constructor(
    private readonly dir: string,
    private readonly ports: Readonly<Record<string, number>>,
    private readonly libs: string,
    private readonly clusterId: string,
  ) {}

  static async start(libs: string): Promise<KafkaCluster> {
    const dir = mkdtempSync(join(tmpdir(), 'cluster-'));
    const names = NODES.flatMap((node) => [`broker${node}`, `controller${node}`]);
    const ports = await choosePorts(Object.fromEntries(names.map((name) => [name, 0])));
    const cluster = new KafkaCluster(dir, ports, libs, randomBytes(16).toString('base64url'));
    try {
      // None of them answers before two are there.
      await Promise.all(NODES.map((node) => cluster.revive(node)));
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** For KAFKA_BROKERS. */
  get brokers(): string {
    return NODES.map((node) => `127.0.0.1:${this.ports[`broker${node}`]}`).join(',');
  }

  /** kill -9; resolves when it is gone. */
  async kill(node: number): Promise<void> {
    const server = this.nodes.get(node)!;
    process.kill(server.pid, 'SIGKILL');
    await server.stop();
    this.nodes.delete(node);
  }

  /** Resolves when it answers. */
  async revive(node: number): Promise<void> {
    const { dir, ports, libs, clusterId } = this;
    const voters = NODES.map((each) => `${each}@127.0.0.1:${ports[`controller${each}`]}`).join(',');
    const settings = {
      'node.id': node,
      'controller.quorum.voters': voters,
      'offsets.topic.replication.factor': 3,
      'transaction.state.log.replication.factor': 3,
      'transaction.state.log.min.isr': 2,
      'replica.lag.time.max.ms': 5_000,
    };
    const server = await startKafka({
      dir: join(dir, String(node)),
      port: ports[`broker${node}`]!,
      controllerPort: ports[`controller${node}`]!,
      libs,
      clusterId,
      heapMb: 256,
      settings,
    });
    this.nodes.set(node, server);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.nodes.keys()].map((node) => this.kill(node)));
    rmSync(this.dir, { recursive: true, force: true });
  }
}
