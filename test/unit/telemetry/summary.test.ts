import { silentLogger } from '../../../src/core/ports/log';
import { newCaptureStats, newSinkStats, partitionStats, tableStats } from '../../../src/core/stats';
import { startSummary, summarize, workDone } from '../../../src/telemetry/summary';

function pipeline() {
  const capture = newCaptureStats();
  const sink = newSinkStats();
  const input = { captures: new Map([['ventia-source', capture]]), sinks: new Map([['contacts-sink', sink]]) };
  const work = () => {
    tableStats(capture, 'orders').published.c += 100;
    tableStats(capture, 'tenants').published.u += 20;
    tableStats(capture, 'orders').deadLettered.c += 1;
    capture.serverLsn += 500n;
    capture.freshness.push(0.0021);
    sink.applied += 60;
    sink.stale += 20;
    partitionStats(sink, 'ventia.orders', 0).highWatermark += 40n;
    sink.freshness.push(0.012);
  };
  return { input, work };
}

test('rates of a connector are those of the interval', () => {
  const { input, work } = pipeline();
  work();
  const before = workDone(input);
  work();
  expect(summarize(input, before, workDone(input), 2)).toEqual([
    { connector: 'ventia-source', perSecond: 60, behind: '1000 bytes', p50Ms: 2.1, p99Ms: 2.1, deadLetters: 2 },
    { connector: 'contacts-sink', perSecond: 40, behind: '80 records', p50Ms: 12, p99Ms: 12, deadLetters: 0 },
  ]);
});

test('one line an interval, until it is ended', () => {
  jest.useFakeTimers();
  try {
    const { input, work } = pipeline();
    const lines: string[] = [];
    const stop = startSummary({ ...silentLogger, info: (_fields, message) => void lines.push(message) }, input);
    work();
    jest.advanceTimersByTime(10_000);
    jest.advanceTimersByTime(10_000);
    stop();
    jest.advanceTimersByTime(60_000);
    expect(lines).toEqual([
      'ventia-source: 12/s, 500 bytes behind, p50 2.1 ms, p99 2.1 ms, dead letters: 1 | contacts-sink: 8/s, 40 records behind, p50 12 ms, p99 12 ms',
      'ventia-source: 0/s, 500 bytes behind, p50 2.1 ms, p99 2.1 ms, dead letters: 1 | contacts-sink: 0/s, 40 records behind, p50 12 ms, p99 12 ms',
    ]);
  } finally {
    jest.useRealTimers();
  }
});
