import {
  AppliedFreshness,
  type AppliedPartition,
  heartbeatKey,
  heartbeatOf,
  readHeartbeat,
} from '../../../src/core/heartbeat';

const TOPIC = 'ventia.orders';
const at = (partition: number, offset: number, commitMs = 0): AppliedPartition => ({
  topic: TOPIC,
  partition,
  offset: BigInt(offset),
  commitTime: BigInt(commitMs) * 1000n,
});
const beat = (untilMs: number, ...ends: number[]) => ({
  untilMs,
  ends: new Map(ends.map((end, partition) => [`${TOPIC}/${partition}`, BigInt(end)])),
});

test('what capture writes is what a sink reads, and nothing else is', () => {
  const ends = new Map([
    ['ventia.orders/0', 9_007_199_254_740_993n],
    ['_state/0', 5n],
  ]);
  const written = JSON.stringify(heartbeatOf(1_700_000_000_123, 0x16b3748n, ends, [TOPIC]));
  expect(readHeartbeat(heartbeatKey('ventia-source'), written)).toEqual({
    untilMs: 1_700_000_000_123,
    ends: new Map([['ventia.orders/0', 9_007_199_254_740_993n]]),
  });
  expect(readHeartbeat('ventia-source/source', written)).toBeNull();
  for (const value of [
    null,
    '',
    '{}',
    '{"until":"x","ends":{}}',
    '{"until":"2026-01-01T00:00:00Z","ends":{"a/0":"b"}}',
  ])
    expect(readHeartbeat(heartbeatKey('ventia-source'), value)).toBeNull();
});

describe('applied freshness', () => {
  let freshness: AppliedFreshness;
  beforeEach(() => {
    freshness = new AppliedFreshness([TOPIC]);
  });

  test('is not known without partitions, or before a heartbeat', () => {
    expect(freshness.until([at(0, 10)])).toBeNull();
    freshness.hear(beat(1_000, 10));
    expect(freshness.until([])).toBeNull();
  });

  test('follows the heartbeats while nothing is written', () => {
    for (const ms of [1_000, 2_000, 3_000]) {
      freshness.hear(beat(ms, 10, 0));
      expect(freshness.until([at(0, 10), at(1, 0)])).toBe(ms);
    }
  });

  test('is that of the partition that is furthest behind', () => {
    freshness.hear(beat(1_000, 10, 10));
    freshness.hear(beat(2_000, 20, 10));
    expect(freshness.until([at(0, 10), at(1, 10)])).toBe(1_000);
    expect(freshness.until([at(0, 20), at(1, 10)])).toBe(2_000);
  });

  test('between two heartbeats the last record applied tells', () => {
    freshness.hear(beat(1_000, 10));
    freshness.hear(beat(60_000, 500));
    expect(freshness.until([at(0, 300, 40_000)])).toBe(40_000);
  });

  test('never goes back, although offsets do in a replay', () => {
    freshness.hear(beat(1_000, 10));
    freshness.hear(beat(2_000, 20));
    expect(freshness.until([at(0, 20)])).toBe(2_000);
    freshness.hear(beat(3_000, 25));
    expect(freshness.until([at(0, 0, 500)])).toBe(2_000);
    expect(freshness.until([at(0, 25, 2_500)])).toBe(3_000);
  });

  test('of a sink that never got on it tells how long at least', () => {
    freshness.hear(beat(1_000, 10));
    freshness.hear(beat(9_000, 20));
    expect(freshness.until([at(0, 0)])).toBe(1_000);
  });

  test('a heartbeat with a lower end counts too: a power cut took what lay behind it', () => {
    freshness.hear(beat(1_000, 20));
    freshness.hear(beat(2_000, 15));
    expect(freshness.until([at(0, 15)])).toBe(2_000);
    expect(freshness.endOf(TOPIC, 0)).toBe(15n);
  });

  test("another source's heartbeat says nothing; a partition that it does not name was not there", () => {
    freshness.hear({ untilMs: 1_000, ends: new Map([['other/0', 0n]]) });
    expect(freshness.until([at(0, 5)])).toBeNull();
    freshness.hear(beat(2_000, 5));
    expect(freshness.until([at(0, 5), at(7, 0)])).toBe(2_000);
  });

  test('a backlog of days takes no more room, and is never told to be applied too early', () => {
    for (let i = 1; i <= 20_000; i++) freshness.hear(beat(i, i));
    expect(
      JSON.stringify(freshness, (_, v) => (typeof v === 'bigint' || v instanceof Map ? 0 : v)).length,
    ).toBeLessThan(20_000);
    for (let offset = 1; offset <= 20_000; offset += 500)
      expect(freshness.until([at(0, offset)])).toBeLessThanOrEqual(offset);
    expect(freshness.until([at(0, 20_000)])).toBe(20_000);
  });
});
