import type { WalSender } from '../../../src/core/ports/source';
import { type CaptureSight, CaptureWatch, StallClock } from '../../../src/core/progress-watch';

test('a stall clock counts only while something is due and its mark stands still', () => {
  const clock = new StallClock();
  expect(clock.tick(true, 'a', 1)).toBe(0);
  expect([clock.tick(true, 'a', 1), clock.tick(true, 'a', 1)]).toEqual([1, 2]);
  expect(clock.tick(true, 'b', 1)).toBe(0);
  expect([clock.tick(true, 'b', 1), clock.tick(false, 'b', 1), clock.tick(true, 'b', 1)]).toEqual([1, 0, 1]);
});

const sender = (waitsFor: string | null, sentLsn = 100n): WalSender => ({ pid: 1, sentLsn, waitsFor });

interface Given {
  readonly sender?: WalSender | null;
  /** Confirmed: by us a look ago, and in the slot. */
  readonly told?: bigint;
  readonly taken?: bigint;
  readonly sight?: Partial<CaptureSight>;
}

/** The source has WAL up to 1000, of which 100 are received. */
function sightOf(given: Given, number: number): CaptureSight {
  const slot = {
    name: 's',
    walStatus: 'reserved',
    retainedBytes: 0n,
    safeWalBytes: null,
    sender: given.sender ?? null,
    decoded: null,
  };
  const source = {
    systemId: '1',
    timeline: 1,
    tables: [],
    tablesLsn: 0n,
    confirmedLsn: given.taken ?? 100n,
    walLsn: 1000n,
    slot,
    standbys: [],
  };
  return {
    paused: false,
    unacknowledged: false,
    batches: 0,
    messages: 0,
    heardLsn: 100n,
    receivedLsn: 100n,
    look: { number, source, confirmed: given.told ?? 100n },
    ...given.sight,
  };
}

/** What is said after 20 s of one look every 5 s, with a limit of 15 s; `at` changes what is seen. */
function after20s(given: (second: number) => Given) {
  const watch = new CaptureWatch(15_000);
  let stall = null;
  for (let second = 0; second <= 20; second++)
    stall = watch.tick(sightOf(given(second), Math.floor(second / 5)), second === 0 ? 0 : 1000);
  return stall;
}

const WRITING = 'Client/WalSenderWriteData';

describe('behind, but it moves', () => {
  test.each<[string, (second: number) => Given]>([
    ['PostgreSQL decodes', (s) => ({ sender: sender(WRITING, 100n + BigInt(s)) })],
    ['PostgreSQL works on one huge transaction: it waits for nothing', () => ({ sender: sender(null) })],
    ['PostgreSQL reads what it has spilled', () => ({ sender: sender('IO/ReorderBufferRead') })],
    ['messages come', (s) => ({ sender: sender(WRITING), sight: { messages: s } })],
    [
      'batches are acknowledged',
      (s) => ({ sender: sender(WRITING), sight: { paused: true, unacknowledged: true, batches: s } }),
    ],
    [
      'confirmations are taken',
      (s) => ({ sender: sender('Client/WalSenderWaitForWal'), told: 900n, taken: 100n + BigInt(s) }),
    ],
  ])('%s', (_, given) => expect(after20s(given)).toBeNull());
});

describe('nothing to do', () => {
  test.each<[string, Given]>([
    ['PostgreSQL has sent all it can decode', { sender: sender('Client/WalSenderWaitForWal') }],
    ['PostgreSQL sleeps', { sender: sender('Activity/WalSenderMain') }],
    ['all of the WAL is heard of', { sender: sender(WRITING), sight: { heardLsn: 1000n } }],
    ['we do not read, and that is seen elsewhere', { sender: sender(WRITING), sight: { paused: true } }],
    ['the last look is too old to judge by', { sender: sender(WRITING), sight: { look: null } }],
  ])('%s', (_, given) => expect(after20s(() => given)).toBeNull());
});

describe('stalled', () => {
  test.each<[string, Given, RegExp, boolean]>([
    ['Kafka', { sight: { unacknowledged: true, paused: true } }, /Kafka has acknowledged no batch for 15 s/, false],
    ['nobody serves us', { sender: null }, /no longer serves/, true],
    ['a link that swallows', { sender: sender(WRITING) }, /waiting to send for 15 s, and nothing arrives/, true],
    ['stand-bys', { sender: sender('Client/WaitForStandbyConfirmation') }, /synchronized_standby_slots/, false],
    ['a lock', { sender: sender('Lock/relation') }, /waits for Lock\/relation/, false],
    [
      'confirmations that nobody takes',
      { sender: sender('Client/WalSenderWaitForWal'), told: 900n, taken: 100n },
      /taken no confirmation/,
      true,
    ],
  ])('%s', (_, given, message, replace) => {
    const stall = after20s(() => given);
    expect(stall).toMatchObject({ error: { code: 'CDC-902', message: expect.stringMatching(message) }, replace });
    expect(stall!.error.fix).toMatch(/\S/);
  });

  test('and it is over as soon as something moves', () => {
    const watch = new CaptureWatch(15_000);
    const stuck = sightOf({ sender: sender('Activity/WalSenderMain'), sight: { unacknowledged: true } }, 1);
    for (let i = 0; i <= 15; i++) watch.tick(stuck, 1000);
    expect(watch.tick(stuck, 1000)).not.toBeNull();
    expect(watch.tick({ ...stuck, batches: 1 }, 1000)).toBeNull();
  });
});
