import { silentLogger } from '../../../src/core/ports/log';
import type { Readiness } from '../../../src/core/readiness';
import { newCaptureStats } from '../../../src/core/stats';
import { standBy } from '../../../src/pipeline/stand-by';

test('one that stands by says who holds the slot, once, and no longer how fresh Kafka is: that one knows', async () => {
  const holders = ['process 7', 'process 7', null];
  const told: Readiness[] = [];
  const stats = newCaptureStats();
  Object.assign(stats.freshUntilMs, { receive: 1, publish: 1, confirm: 1 });
  const ports = {
    holder: async () => holders.shift() ?? null,
    stats,
    log: silentLogger,
    onReadiness: (readiness: Readiness) => void told.push(readiness),
  };
  await standBy(ports, new AbortController().signal);
  expect(told).toMatchObject([{ ready: false, code: 'CDC-211', reason: 'the slot is held by process 7' }]);
  expect(stats.freshUntilMs).toEqual({ receive: 0, publish: 0, confirm: 0 });
});

test('one that finds the slot free keeps what it knew: nobody else captured meanwhile', async () => {
  const stats = newCaptureStats();
  Object.assign(stats.freshUntilMs, { receive: 1, publish: 1, confirm: 1 });
  const ports = { holder: async () => null, stats, log: silentLogger, onReadiness() {} };
  await standBy(ports, new AbortController().signal);
  expect(stats.freshUntilMs.publish).toBe(1);
});
