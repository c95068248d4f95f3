import { setTimeout as sleep } from 'node:timers/promises';
import type { Kafka } from '../../../src/dev/stack/kafka';
import {
  access,
  closeWriters,
  createTopics,
  keysOf,
  type OwnBroker,
  openWriter,
  ownBroker,
  type TestTopics,
  withAdmin,
  writeOne as write,
} from './support';

/** A broker of this file's own, which forgets producers within seconds. */
jest.setTimeout(60_000);

let own: OwnBroker;
let kafka: Kafka;
let topics: TestTopics;

beforeAll(async () => {
  own = await ownBroker({ 'producer.id.expiration.ms': 4000, 'producer.id.expiration.check.interval.ms': 200 });
  kafka = await own.start();
});
afterAll(() => own.remove(kafka));
beforeEach(async () => {
  topics = await withAdmin((admin) => createTopics(admin), kafka.brokers);
});
afterEach(closeWriters);

const open = () => openWriter(topics, { access: access(kafka.brokers) });

describe('the fence', () => {
  it('wears off on a partition that is idle for longer than the broker remembers producers', async () => {
    const old = await open();
    await write(old, topics.data, 1);
    await open();
    // Else this test would prove nothing about renewal. The clock of the old one stood still, as on a frozen machine.
    const frozen = Date.now();
    await sleep(7000);
    jest.spyOn(Date, 'now').mockReturnValue(frozen);
    await write(old, topics.data, 2);
    jest.restoreAllMocks();
    expect(await keysOf(topics.data, 0, kafka.brokers)).toEqual(['key-1', 'key-2']);
  });

  it('is not trusted by a writer that slept longer than half of what the broker remembers', async () => {
    const old = await open();
    await write(old, topics.data, 1);
    await sleep(2500);
    await expect(write(old, topics.data, 2)).rejects.toMatchObject({ kind: 'fenced' });
  });

  it('holds as long as it is renewed', async () => {
    const old = await open();
    await write(old, topics.data, 1);
    const young = await open();
    // The broker remembers for 4 s.
    expect(young.renewFenceEveryMs).toBe(1000);
    for (let i = 0; i < 7; i++) {
      await sleep(young.renewFenceEveryMs);
      await young.renewFence();
    }
    await expect(write(old, topics.data, 2)).rejects.toMatchObject({ kind: 'fenced' });
    await write(young, topics.data, 3);
    expect(await keysOf(topics.data, 0, kafka.brokers)).toEqual(['key-1', 'key-3']);
  });
});
