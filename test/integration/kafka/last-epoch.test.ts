import { silentLogger } from '../../../src/core/ports/log';
import { formatPosition } from '../../../src/core/position';
import { openLink } from '../../../src/kafka/client';
import {
  access,
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
beforeAll(async () => {
  topics = await withAdmin((admin) => createTopics(admin));
});
afterAll(closeWriters);

async function writeOne(writer: Awaited<ReturnType<typeof openWriter>>, n: number) {
  const batch = writer.newBatch();
  append(batch, topics.data, 0, n, formatPosition(position(n)));
  await writer.flush(batch);
}

describe('the last epoch of a producer id', () => {
  it('fences like every other, although the next writer is given another id', async () => {
    await openWriter(topics);
    const link = openLink(access(), silentLogger);
    await link.cluster.connect();
    const broker = await link.cluster.brokerPool.findConnectedBroker();
    const request = { transactionalId: topics.data, transactionTimeout: 60_000 };
    let { producerEpoch } = await broker.initProducerId(request);
    while (producerEpoch < 32_764) ({ producerEpoch } = await broker.initProducerId(request));
    link.cut(new Error('done'));
    const writers = [];
    for (let n = 0; n < 4; n++) {
      const writer = await openWriter(topics);
      await writeOne(writer, n);
      writers.push(writer);
    }
    for (const zombie of writers.slice(0, -1))
      await expect(writeOne(zombie, 99)).rejects.toMatchObject({ kind: 'fenced' });
    expect(await keysOf(topics.data, 0)).toEqual(['key-0', 'key-1', 'key-2', 'key-3']);
  });
});
