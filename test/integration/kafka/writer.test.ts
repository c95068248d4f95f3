import { formatPosition } from '../../../src/core/position';
import {
  append,
  closeWriters,
  createTopics,
  keysOf,
  openWriter,
  position,
  type TestTopics,
  withAdmin,
} from './support';

let topics: TestTopics;
beforeEach(async () => {
  topics = await withAdmin((admin) => createTopics(admin));
});
afterEach(closeWriters);

const value = (n: number, more = '') => formatPosition(position(n)) + more;

describe('a new writer', () => {
  it('finds nothing in empty topics, and afterwards what was written', async () => {
    const first = await openWriter(topics);
    expect(first.topics).toEqual([
      { name: topics.data, partitions: 3 },
      { name: topics.other, partitions: 2 },
      { name: topics.state, partitions: 1 },
      { name: topics.deadLetters, partitions: 1 },
    ]);
    expect(first.tail(topics.data, 0)).toBeNull();
    expect(first.state.size).toBe(0);
    expect(first.maxBatchBytes(topics.data)).toBe(1_048_588);

    const batch = first.newBatch();
    for (const n of [1, 2, 3]) append(batch, topics.data, 0, n, value(n));
    append(batch, topics.data, 2, 4, null);
    append(batch, topics.other, 1, 5, value(5));
    batch.appendState('c/source', '{"epoch":1}', 1n);
    batch.appendState('c/topics', '{"partitions":3}', 1n);
    batch.appendState('c/source', '{"epoch":2}', 1n);
    batch.appendState('c/topics', null, 1n);
    await first.flush(batch);

    const second = await openWriter(topics);
    expect(second.tail(topics.data, 0)).toEqual(position(3));
    expect(second.tail(topics.data, 1)).toBeNull();
    expect(second.tail(topics.data, 2)).toEqual(position(4));
    expect(second.tail(topics.other, 1)).toEqual(position(5));
    expect([...second.state]).toEqual([['c/source', '{"epoch":2}']]);
  });
  it.each(['before', 'after'])('refuses the one before, %s its own first record', async (when) => {
    const old = await openWriter(topics);
    const oldBatch = old.newBatch();
    append(oldBatch, topics.data, 0, 1, value(1));
    await old.flush(oldBatch);
    const young = await openWriter(topics);
    if (when === 'after') {
      const batch = young.newBatch();
      append(batch, topics.data, 0, 2, value(2));
      await young.flush(batch);
    }
    for (const topic of [topics.data, topics.other]) {
      const zombie = old.newBatch();
      append(zombie, topic, 0, 9, value(9));
      await expect(old.flush(zombie)).rejects.toMatchObject({ kind: 'fenced' });
    }
    expect(await keysOf(topics.data, 0)).toEqual(when === 'after' ? ['key-1', 'key-2'] : ['key-1']);
    const state = old.newBatch();
    state.appendState('k', 'v', 1n);
    await expect(old.flush(state)).rejects.toMatchObject({ kind: 'fenced' });
    await expect(old.renewFence()).rejects.toMatchObject({ kind: 'fenced' });
  });
});
