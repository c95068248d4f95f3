import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Readiness } from '../core/readiness';
import type { CaptureObservers, CaptureStats, SinkObservers, SinkStats } from '../core/stats';
import type { Family, Sample } from './family';
import { FAMILIES } from './metric-families';

const PREFIX = 'ventia_cdc_';

/**
 * All metrics of a process. Connectors register their plain counters; samples are made from them at scrape time, so that
 * counting costs nothing. Distributions are observed once a batch.
 */
export class Metrics {
  private readonly registry = new Registry();
  private readonly captures = new Map<string, CaptureStats>();
  private readonly sinks = new Map<string, SinkStats>();
  private readonly readiness = new Map<string, () => Readiness>();
  private readonly distributions = newDistributions(this.registry);

  constructor(version: string) {
    for (const family of FAMILIES) this.addFamily(family);
    this.addGauge('ready', '1 while the connector does its work.', ['connector'], () =>
      [...this.readiness].map(([connector, read]) => [[connector], Number(read().ready)]),
    );
    this.addGauge('build_info', 'Always 1.', ['version'], () => [[[version], 1]]);
    addProcessMetrics(this.registry);
  }

  /** Starts to show a capture; what it gives is to be observed once a flush. */
  addCapture(connector: string, stats: CaptureStats, readiness: () => Readiness): CaptureObservers {
    this.captures.set(connector, stats);
    this.readiness.set(connector, readiness);
    const { flush, fill, batch, latency } = this.distributions;
    return {
      flushSeconds: flush.labels(connector),
      fillSeconds: fill.labels(connector),
      batchRecords: batch.labels(connector),
      freshnessSeconds: latency.labels(connector, 'publish'),
    };
  }

  /** Starts to show a sink; what it gives is to be observed once a batch. */
  addSink(connector: string, stats: SinkStats, readiness: () => Readiness): SinkObservers {
    this.sinks.set(connector, stats);
    this.readiness.set(connector, readiness);
    const { apply, batch, latency } = this.distributions;
    return {
      applySeconds: apply.labels(connector),
      batchEvents: batch.labels(connector),
      freshnessSeconds: latency.labels(connector, 'apply'),
    };
  }

  /** Prometheus' text format. */
  async render(): Promise<{ contentType: string; body: string }> {
    return { contentType: this.registry.contentType, body: await this.registry.metrics() };
  }

  private addFamily(family: Family): void {
    const samples = () => this.samplesOf(family);
    const labelNames = ['connector', ...family.labels];
    if (family.kind === 'gauge') {
      this.addGauge(family.name, family.help, labelNames, samples);
      return;
    }
    new Counter({
      name: PREFIX + family.name,
      help: family.help,
      labelNames,
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [labels, value] of samples()) this.labels(...labels).inc(value);
      },
    });
  }

  private addGauge(name: string, help: string, labelNames: string[], samples: () => Iterable<Sample>): void {
    new Gauge({
      name: PREFIX + name,
      help,
      labelNames,
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [labels, value] of samples()) this.labels(...labels).set(value);
      },
    });
  }

  private *samplesOf({ capture, sink }: Family): Generator<Sample> {
    const now = Date.now();
    if (capture) {
      for (const [connector, stats] of this.captures) yield* labelled(connector, capture(stats, now));
    }
    if (sink) {
      for (const [connector, stats] of this.sinks) yield* labelled(connector, sink(stats, now));
    }
  }
}

const labelled = (connector: string, samples: readonly Sample[]): Sample[] =>
  samples.map(([labels, value]) => [[connector, ...labels], value]);

const SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30];
const RECORDS = [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000];

function newDistributions(registry: Registry) {
  const histogram = (name: string, help: string, buckets: number[], ...labels: string[]) =>
    new Histogram({ name: PREFIX + name, help, buckets, labelNames: ['connector', ...labels], registers: [registry] });
  return {
    fill: histogram('batch_fill_seconds', 'Time a batch takes to fill: reading, decoding, encoding.', SECONDS),
    flush: histogram('flush_seconds', 'Time from sending a batch to its acknowledgement by Kafka.', SECONDS),
    apply: histogram('apply_seconds', 'Time of one database transaction of a sink.', SECONDS),
    batch: histogram('batch_records', 'Records in a batch.', RECORDS),
    latency: histogram(
      'latency_seconds',
      'Time from a commit at the source to its way through the stage.',
      SECONDS,
      'stage',
    ),
  };
}

/** What every process should show; the names are those of the Prometheus client libraries. */
function addProcessMetrics(registry: Registry): void {
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  const startedAt = Date.now() / 1000 - process.uptime();
  gauge('process_start_time_seconds', 'Start of the process.', () => startedAt);
  gauge('process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss());
  gauge('nodejs_heap_size_used_bytes', 'Used heap.', () => process.memoryUsage().heapUsed);
  gauge('nodejs_external_memory_bytes', 'Memory of buffers, outside the heap.', () => process.memoryUsage().external);
  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'CPU time, user and system.',
    registers: [registry],
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
}
