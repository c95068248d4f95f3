import { CdcError } from '../../../src/core/errors';
import { notReady, READY, type Readiness } from '../../../src/core/readiness';
import {
  count,
  newCaptureStats,
  newOpCounts,
  newSinkStats,
  newSnapshotStats,
  partitionStats,
  tableStats,
} from '../../../src/core/stats';
import { Metrics } from '../../../src/telemetry/metrics';

async function render(metrics: Metrics): Promise<string> {
  return (await metrics.render()).body;
}

/** name -> type, without the samples. */
function typesOf(body: string): string[] {
  return [...body.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => `${name} ${type}`).sort();
}

test('the names are a promise: dashboards and alerts rely on them', async () => {
  const body = await render(new Metrics('1.2.3'));
  expect(typesOf(body)).toMatchInlineSnapshot(`
[
  "nodejs_external_memory_bytes gauge",
  "nodejs_heap_size_used_bytes gauge",
  "process_cpu_seconds_total counter",
  "process_resident_memory_bytes gauge",
  "process_start_time_seconds gauge",
  "ventia_cdc_apply_seconds histogram",
  "ventia_cdc_batch_fill_seconds histogram",
  "ventia_cdc_batch_records histogram",
  "ventia_cdc_batch_retries_total counter",
  "ventia_cdc_batches_total counter",
  "ventia_cdc_build_info gauge",
  "ventia_cdc_changes_decoded_total counter",
  "ventia_cdc_changes_pending gauge",
  "ventia_cdc_changes_total counter",
  "ventia_cdc_conflicts_total counter",
  "ventia_cdc_conservation_difference gauge",
  "ventia_cdc_dead_letters_oldest_seconds gauge",
  "ventia_cdc_dead_letters_open gauge",
  "ventia_cdc_dead_letters_total counter",
  "ventia_cdc_epoch gauge",
  "ventia_cdc_errors_total counter",
  "ventia_cdc_events_applied_total counter",
  "ventia_cdc_events_incomplete_total counter",
  "ventia_cdc_events_stale_total counter",
  "ventia_cdc_events_total counter",
  "ventia_cdc_fences_total counter",
  "ventia_cdc_flush_seconds histogram",
  "ventia_cdc_freshness_seconds gauge",
  "ventia_cdc_lag_bytes gauge",
  "ventia_cdc_lag_records gauge",
  "ventia_cdc_lag_seconds gauge",
  "ventia_cdc_last_progress_timestamp_seconds gauge",
  "ventia_cdc_latency_seconds histogram",
  "ventia_cdc_lsn gauge",
  "ventia_cdc_orders_parked gauge",
  "ventia_cdc_orders_parked_total counter",
  "ventia_cdc_orders_placed_total counter",
  "ventia_cdc_parked_oldest_seconds gauge",
  "ventia_cdc_ready gauge",
  "ventia_cdc_reconnects_total counter",
  "ventia_cdc_record_bytes_total counter",
  "ventia_cdc_records_total counter",
  "ventia_cdc_rows_written_total counter",
  "ventia_cdc_slot_active gauge",
  "ventia_cdc_slot_retained_bytes gauge",
  "ventia_cdc_slot_safe_bytes gauge",
  "ventia_cdc_slot_wal_budget_seconds gauge",
  "ventia_cdc_slot_wal_rate_bytes_per_second gauge",
  "ventia_cdc_slot_wal_status gauge",
  "ventia_cdc_snapshot_chunks_repeated_total counter",
  "ventia_cdc_snapshot_chunks_total counter",
  "ventia_cdc_snapshot_done gauge",
  "ventia_cdc_snapshot_rows gauge",
  "ventia_cdc_snapshot_rows_estimated gauge",
  "ventia_cdc_standby_lag_bytes gauge",
  "ventia_cdc_transactions_total counter",
]
`);
  expect(body).toContain('ventia_cdc_build_info{version="1.2.3"} 1');
});

test('samples are made from the counters at scrape time', async () => {
  const metrics = new Metrics('1');
  const capture = newCaptureStats();
  let readiness: Readiness = notReady(new CdcError('slot_active', 'held by another'));
  metrics.addCapture('ventia-source', capture, () => readiness);

  const orders = tableStats(capture, 'orders');
  orders.decoded.c = 5;
  orders.published.c = 3;
  orders.deadLettered.c = 1;
  Object.assign(capture, { serverLsn: 0x200n, receivedLsn: 0x180n, publishedLsn: 0x100n, confirmedLsn: 0x80n });
  const slot = { walStatus: 'extended', active: true, retainedBytes: 900n, safeWalBytes: 100n };
  capture.slot = { ...slot, walBytesPerSecond: 10, budgetSeconds: 10 };
  capture.standbys = [{ name: 'replica', lagBytes: 77n }];
  capture.freshUntilMs.publish = Date.now() - 60_000;
  capture.snapshots.set('ventia.orders', { ...newSnapshotStats(10), rowsDone: 20, chunks: 2 });
  count(capture.errorsByCode, 'CDC-305', 2);
  const first = await render(metrics);
  for (const line of [
    'ventia_cdc_changes_decoded_total{connector="ventia-source",table="orders",op="c"} 5',
    'ventia_cdc_changes_total{connector="ventia-source",table="orders",op="c",outcome="published"} 3',
    'ventia_cdc_conservation_difference{connector="ventia-source",table="orders"} 1',
    'ventia_cdc_dead_letters_total{connector="ventia-source"} 1',
    'ventia_cdc_lsn{connector="ventia-source",stage="confirmed"} 128',
    'ventia_cdc_lag_bytes{connector="ventia-source",stage="published"} 256',
    'ventia_cdc_snapshot_rows_estimated{connector="ventia-source",table="ventia.orders"} 20',
    'ventia_cdc_errors_total{connector="ventia-source",code="CDC-305"} 2',
    'ventia_cdc_slot_active{connector="ventia-source"} 1',
    'ventia_cdc_slot_retained_bytes{connector="ventia-source"} 900',
    'ventia_cdc_slot_safe_bytes{connector="ventia-source"} 100',
    'ventia_cdc_slot_wal_status{connector="ventia-source",status="extended"} 1',
    'ventia_cdc_slot_wal_status{connector="ventia-source",status="lost"} 0',
    'ventia_cdc_slot_wal_rate_bytes_per_second{connector="ventia-source"} 10',
    'ventia_cdc_slot_wal_budget_seconds{connector="ventia-source"} 10',
    'ventia_cdc_standby_lag_bytes{connector="ventia-source",standby="replica"} 77',
    'ventia_cdc_ready{connector="ventia-source"} 0',
  ]) {
    expect(first).toContain(`${line}\n`);
  }

  for (const name of [
    'freshness_seconds{connector="ventia-source",stage="publish"}',
    'lag_seconds{connector="ventia-source"}',
  ])
    expect(Number(first.split(`ventia_cdc_${name} `)[1]?.split('\n')[0])).toBeCloseTo(60, 0);

  orders.published.c = 4;
  capture.slot = { ...capture.slot, safeWalBytes: null, budgetSeconds: null };
  readiness = READY;
  const second = await render(metrics);
  expect(second).toContain('outcome="published"} 4\n');
  expect(second).toContain('ventia_cdc_conservation_difference{connector="ventia-source",table="orders"} 0\n');
  expect(second).toContain('ventia_cdc_ready{connector="ventia-source"} 1\n');
  expect(second).not.toMatch(/^ventia_cdc_slot_(safe_bytes|wal_budget_seconds)\{/m);
});

test('a sink shows its lag by partition and its age by the worst one', async () => {
  const metrics = new Metrics('1');
  const sink = newSinkStats();
  metrics.addSink('contacts-sink', sink, () => READY);
  sink.events.set('orders', { ...newOpCounts(), u: 2 });
  count(sink.conflictsByReason, 'email_kept_agent_value');
  sink.incomplete = 3;
  const now = BigInt(Date.now()) * 1000n;
  Object.assign(partitionStats(sink, 'ventia.orders', 0), {
    offset: 10n,
    highWatermark: 10n,
    commitTime: now - 900_000_000n,
  });
  Object.assign(partitionStats(sink, 'ventia.orders', 1), {
    offset: 3n,
    highWatermark: 10n,
    commitTime: now - 60_000_000n,
  });
  const body = await render(metrics);
  expect(body).toContain('ventia_cdc_events_total{connector="contacts-sink",table="orders",op="u"} 2\n');
  expect(body).toContain('ventia_cdc_conflicts_total{connector="contacts-sink",reason="email_kept_agent_value"} 1\n');
  expect(body).toContain('ventia_cdc_lag_records{connector="contacts-sink",topic="ventia.orders",partition="0"} 0\n');
  expect(body).toContain('ventia_cdc_lag_records{connector="contacts-sink",topic="ventia.orders",partition="1"} 7\n');
  expect(body).toContain('ventia_cdc_events_incomplete_total{connector="contacts-sink"} 3\n');
  const seconds = Number(/ventia_cdc_lag_seconds\{connector="contacts-sink"\} (\S+)/.exec(body)?.[1]);
  expect(seconds).toBeGreaterThanOrEqual(60);
  expect(seconds).toBeLessThan(120);
});

test('a sink shows what waits in the ledger, and for how long, once it was asked', async () => {
  const metrics = new Metrics('1');
  const sink = newSinkStats();
  metrics.addSink('contacts-sink', sink, () => READY);
  expect(await render(metrics)).not.toContain('ventia_cdc_dead_letters_open{');
  const since = Date.now() - 90_000;
  sink.backlog = { deadLetters: 2, deadLettersSinceMs: since, parked: 0, parkedSinceMs: null };
  const body = await render(metrics);
  expect(body).toContain('ventia_cdc_dead_letters_open{connector="contacts-sink"} 2\n');
  expect(body).toMatch(/ventia_cdc_dead_letters_oldest_seconds\{connector="contacts-sink"\} 9\d/);
  expect(body).toContain('ventia_cdc_orders_parked{connector="contacts-sink"} 0\n');
  expect(body).toContain('ventia_cdc_parked_oldest_seconds{connector="contacts-sink"} 0\n');
});

test('distributions are observed once a batch', async () => {
  const metrics = new Metrics('1');
  const capture = metrics.addCapture('ventia-source', newCaptureStats(), () => READY);
  const sink = metrics.addSink('contacts-sink', newSinkStats(), () => READY);
  capture.flushSeconds.observe(0.003);
  capture.fillSeconds.observe(0.003);
  capture.batchRecords.observe(500);
  capture.freshnessSeconds.observe(0.004);
  sink.applySeconds.observe(0.02);
  sink.batchEvents.observe(7);
  sink.freshnessSeconds.observe(0.05);
  const body = await render(metrics);
  for (const line of [
    'ventia_cdc_flush_seconds_bucket{le="0.005",connector="ventia-source"} 1',
    'ventia_cdc_batch_fill_seconds_count{connector="ventia-source"} 1',
    'ventia_cdc_batch_records_sum{connector="ventia-source"} 500',
    'ventia_cdc_batch_records_sum{connector="contacts-sink"} 7',
    'ventia_cdc_apply_seconds_sum{connector="contacts-sink"} 0.02',
    'ventia_cdc_latency_seconds_sum{connector="ventia-source",stage="publish"} 0.004',
    'ventia_cdc_latency_seconds_sum{connector="contacts-sink",stage="apply"} 0.05',
  ]) {
    expect(body).toContain(`${line}\n`);
  }
});
