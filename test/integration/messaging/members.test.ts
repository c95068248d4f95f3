import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import type { ChangeEvent } from '../../../src/core/change';
import type { TopicWriter } from '../../../src/core/ports/topics';
import { Random } from '../../../src/dev/shop/random';
import { changeEvent, RULES } from '../../support/events';
import { cutInto, histories, TENANTS } from '../../support/histories';
import { type Portrait, play, pureStage } from '../../support/play';
import { PureStore } from '../../support/pure-store';
import { encode, SinkMember, type Table } from '../../support/sink-members';
import { openSinks, type SinkWorld } from '../../support/sinks';
import { shiftedBy, sqlStage } from '../../support/sql-stage';
import { eventually } from '../../support/wait';
import { append, closeWriters, createTopics, openWriter, withAdmin } from '../kafka/support';

/**
 * Several sinks of one group over real topics, as processes with links of their own: they come, go, die and freeze in the middle
 * of their batches. What they leave is what each event alone would have left.
 */
const SEED = Number(process.env.STORM_SEED ?? Date.now() % 1_000_000);
const STORM_MS = Number(process.env.STORM_SECONDS ?? 12) * 1000;
const PARTITIONS = 6;
jest.setTimeout(150_000 + STORM_MS);

let world: SinkWorld;
let topics: Record<Table, string>;
let writer: TopicWriter;
const members: SinkMember[] = [];

beforeEach(async () => {
  world = await openSinks('repo');
  const made = await withAdmin((admin) => createTopics(admin, PARTITIONS, PARTITIONS));
  topics = { tenants: made.data, orders: made.other };
  // A broker that many tests keep busy may leave the first requests about new topics unanswered.
  writer = await eventually(() => openWriter(made), { timeoutMs: 60_000 });
});
afterEach(async () => {
  await Promise.all(members.splice(0).map((member) => member.leave()));
  await closeWriters();
  await world.close();
});

async function join(table: Table, onAnswer?: (member: SinkMember, chunk: Buffer) => void): Promise<SinkMember> {
  const member = await SinkMember.join(world, table, topics[table], onAnswer);
  members.push(member);
  return member;
}

/** Each history has tenants, a partition and ids of its own; both tenants are there from the start. */
const baseOf = (partition: number) => (partition + 1) * 1000;
function storiesOf(seed: number, length: number): ChangeEvent[][] {
  const opening = TENANTS.map((tenant) => {
    const row = { name: 'Tienda', slug: 's', is_active: true, timezone: 'America/Lima' };
    return changeEvent('tenants', String(tenant), row, { lsn: 0n, seq: BigInt(tenant) });
  });
  const tales = fc.sample(histories(length), { seed, numRuns: PARTITIONS });
  return tales.map((actions) => [...opening, ...actions.flatMap((one) => (one.do === 'event' ? [one.event] : []))]);
}

/** One flush at a time; a writer can do no more. */
let flushed: Promise<void> = Promise.resolve();
function produce(partition: number, events: readonly ChangeEvent[]): Promise<void> {
  flushed = flushed.then(async () => {
    const batch = writer.newBatch();
    for (const event of events) {
      const value = encode(shiftedBy(event, baseOf(partition)));
      append(batch, topics[event.table as Table], partition, Number(event.id), value);
    }
    await writer.flush(batch);
  });
  return flushed;
}

/** The groups have committed all there is. */
const drained = (tables: readonly Table[] = ['tenants', 'orders'], timeoutMs = 60_000) =>
  withAdmin((admin) =>
    eventually(
      async () => {
        for (const topic of tables.map((table) => topics[table])) {
          const ends = await admin.fetchTopicOffsets(topic);
          const [committed] = await admin.fetchOffsets({ groupId: topic, topics: [topic] });
          const at = new Map(committed!.partitions.map(({ partition, offset }) => [partition, offset]));
          if (!ends.every(({ partition, high }) => at.get(partition) === high)) return false;
        }
        return true;
      },
      { timeoutMs, intervalMs: 100 },
    ),
  );

async function expectAsUndisturbed(stories: readonly ChangeEvent[][]): Promise<void> {
  for (const [partition, events] of stories.entries()) {
    const store = new PureStore(RULES);
    const log = events.map((event) => ({ do: 'event' as const, event }));
    await play(
      pureStage(store),
      cutInto(log, () => true),
    );
    const portrait: Portrait = await sqlStage(world, baseOf(partition)).portrait();
    expect(portrait).toEqual(pureStage(store).portrait());
  }
  expect(await world.rows('SELECT reason FROM dead_letter')).toEqual([]);
}

async function openings(stories: readonly ChangeEvent[][]): Promise<void> {
  for (const [partition, events] of stories.entries()) await produce(partition, events.slice(0, TENANTS.length));
}

test(`sinks that join, leave, die and freeze under load: the tables of an undisturbed run (STORM_SEED=${SEED})`, async () => {
  const random = new Random(SEED);
  const stories = storiesOf(SEED, 250);
  await opened(stories);
  const begun = Date.now();
  const produced = Promise.all(
    stories.map(async (events, partition) => {
      const rest = events.slice(TENANTS.length);
      const each = Math.ceil(rest.length / 25);
      for (let from = 0; from < rest.length; from += each) {
        await produce(partition, rest.slice(from, from + each));
        await sleep(STORM_MS / 25);
      }
    }),
  );
  const storm = [await join('orders')];
  const done: string[] = [];
  while (Date.now() - begun < STORM_MS) {
    await sleep(random.integer(200, 1500));
    const what = storm.length < 3 ? random.pick(['join', 'join', 'freeze']) : random.pick(['leave', 'die', 'freeze']);
    done.push(what);
    if (what === 'join' || storm.length === 0) {
      storm.push(await join('orders'));
      continue;
    }
    const at = random.integer(0, storm.length - 1);
    const member = storm[at]!;
    if (what === 'freeze') {
      member.freeze();
      void sleep(random.integer(500, 9000)).then(() => member.wake());
      continue;
    }
    storm.splice(at, 1);
    members.splice(members.indexOf(member), 1);
    await (what === 'leave' ? member.leave() : member.die());
  }
  await produced;
  for (const member of storm) member.wake();
  if (storm.length === 0) await join('orders');
  await drained(['tenants', 'orders'], 90_000);
  expect(done.length).toBeGreaterThan(3);
  await expectAsUndisturbed(stories);
});

/** All that the members of the accounts' group had to do is done; the orders' topic is still empty. */
async function opened(stories: readonly ChangeEvent[][]): Promise<void> {
  await openings(stories);
  await join('tenants');
  await drained(['tenants']);
}
const produceRest = async (stories: readonly ChangeEvent[][]) => {
  for (const [partition, events] of stories.entries()) await produce(partition, events.slice(TENANTS.length));
};

test('one that freezes with its transaction open loses it to the server, its partitions to another, and wakes up harmless', async () => {
  const stories = storiesOf(7, 40);
  await opened(stories);
  let batches = 0;
  let frozenAt = 0;
  // Everything is written, and the COMMIT that it sends now lies on the link.
  const zombie = await join('orders', (member, chunk) => {
    if (frozenAt > 0 || !chunk.includes('RELEASE\0') || ++batches < 3) return;
    frozenAt = Date.now();
    member.freeze();
  });
  await eventually(() => zombie.partitions().length === PARTITIONS);
  await produceRest(stories);
  await eventually(() => frozenAt > 0);
  const open = await world.rows(
    "SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'",
  );
  expect(open.length).toBeGreaterThan(0);
  await join('orders');
  await drained();
  const seconds = ((Date.now() - frozenAt) / 1000).toFixed(1);
  process.stdout.write(`a frozen sink held its successor up for ${seconds} s\n`);
  await expectAsUndisturbed(stories);

  zombie.wake();
  await eventually(() => zombie.partitions().length > 0, { timeoutMs: 30_000 });
  await drained();
  await expectAsUndisturbed(stories);
});

test('one whose connection is cut in COMMIT does not know what became of it, and does it again', async () => {
  const stories = storiesOf(8, 40);
  await opened(stories);
  let cuts = 0;
  let answers = 0;
  await join('orders', (member, chunk) => {
    if (!chunk.includes('COMMIT\0') || ++answers % 4 !== 0) return;
    cuts++;
    member.cutMessaging();
  });
  await produceRest(stories);
  await drained();
  expect(cuts).toBeGreaterThan(2);
  await expectAsUndisturbed(stories);
});

test('the partitions of one that was killed go to the others when its session is over', async () => {
  const stories = storiesOf(9, 30);
  await opened(stories);
  const victim = await join('orders');
  await eventually(() => victim.partitions().length === PARTITIONS);
  const heir = await join('orders');
  await eventually(() => victim.partitions().length > 0 && heir.partitions().length > 0, { timeoutMs: 30_000 });
  const killedAt = Date.now();
  members.splice(members.indexOf(victim), 1);
  await victim.die();
  await eventually(() => heir.partitions().length === PARTITIONS, { timeoutMs: 30_000 });
  process.stdout.write(`a killed sink's partitions were taken over after ${Date.now() - killedAt} ms\n`);
  await produceRest(stories);
  await drained();
  await expectAsUndisturbed(stories);
});
