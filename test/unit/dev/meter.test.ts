import type { Outcome } from '../../../src/core/ports/sink';
import { newCaptureStats, newSinkStats, tableStats } from '../../../src/core/stats';
import { DevMeter } from '../../../src/dev/meter';

function running() {
  const capture = newCaptureStats();
  const contacts = newSinkStats();
  const outcomes: Outcome[] = [];
  const shop = { actions: 0, refused: 0 };
  let nowMs = 1_000;
  const meter = new DevMeter(
    {
      profile: 'seed',
      shop: { totals: () => shop, stop: async () => {} },
      service: {
        captures: new Map([['ventia-source', capture]]),
        sinks: new Map([['contacts-sink', contacts]]),
        readiness: () => ({ ready: true }),
        outcomes: () => outcomes,
      },
      hints: [],
    },
    () => nowMs,
  );
  /** Lets time pass in views of half a second, as the screen does. */
  const pass = (seconds: number, each: () => void) => {
    for (let i = 0; i < seconds * 2; i++) {
      nowMs += 500;
      each();
      meter.view();
    }
    return meter.view();
  };
  return { capture, contacts, outcomes, shop, meter, pass };
}

test('rates are those of the last five seconds', () => {
  const { capture, contacts, shop, pass } = running();
  const work = () => {
    shop.actions += 10;
    tableStats(capture, 'orders').published.c += 9;
    contacts.applied += 4;
    contacts.stale += 1;
  };
  const busy = pass(20, work);
  expect(busy.upSeconds).toBe(20);
  expect(busy.stages.map(({ name, perSecond, total }) => [name, perSecond, total])).toEqual([
    ['shop', 20, 400],
    ['ventia-source', 18, 360],
    ['contacts-sink', 10, 200],
  ]);
  const idle = pass(6, () => {});
  expect(idle.stages.map(({ perSecond }) => perSecond)).toEqual([0, 0, 0]);
  expect(idle.stages.map(({ total }) => total)).toEqual([400, 360, 200]);
});

test('latency, what waits, totals and the last changes, newest first', () => {
  const { capture, contacts, outcomes, meter } = running();
  capture.freshness.push(0.004);
  contacts.freshness.push(0.012);
  contacts.partitions.set('ventia.orders-0', {
    topic: 'ventia.orders',
    partition: 0,
    offset: 5n,
    highWatermark: 8n,
    position: null,
    commitTime: 0n,
  });
  tableStats(capture, 'orders').deadLettered.u += 1;
  contacts.deadLetters = 2;
  contacts.parked = 5;
  contacts.placed = 4;
  contacts.conflictsByReason.set('email_belongs_to_other', 3);
  outcomes.push(
    { table: 'orders', id: '1', op: 'c', what: 'contact created', commitTime: 1_000_000n },
    { table: 'orders', id: '1', op: 'd', what: 'contact changed', commitTime: 2_000_000n },
  );
  const { stages, totals, changes } = meter.view();
  expect(stages.slice(1)).toMatchObject([
    { p50Ms: 4, p99Ms: 4, until: 'Kafka' },
    { p50Ms: 12, p99Ms: 12, behind: '3 records', until: 'messaging' },
  ]);
  expect(Object.fromEntries(totals.map(({ label, count }) => [label, count]))).toMatchObject({
    'dead letters': 3,
    conflicts: 3,
    parked: 1,
  });
  expect(changes).toEqual([
    { atMs: 2_000, table: 'orders', id: '1', op: 'delete', became: 'contact changed' },
    { atMs: 1_000, table: 'orders', id: '1', op: 'insert', became: 'contact created' },
  ]);
});
