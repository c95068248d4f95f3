import fc from 'fast-check';
import { formatPosition, type Position } from '../../../src/core/position';
import { Slab } from '../../../src/core/slab';
import { decodeBatches, decodeFetchResponse } from '../../../src/kafka/fetch-response';
import { batchBytes, PartitionedBatch } from '../../../src/kafka/outgoing-batch';
import { encodeProduce } from '../../../src/kafka/produce-request';
import { nextSequence, type ProducerIdentity, RecordBatch } from '../../../src/kafka/record-batch';

/** kafkajs's own encoders, as the oracle. */
const encodeRecord = require('kafkajs/src/protocol/recordBatch/record/v0');
const { RecordBatch: encodeBatch } = require('kafkajs/src/protocol/recordBatch/v0');
const kafkajsProduce = require('kafkajs/src/protocol/requests/produce/v7/request');
const kafkajsRequest = require('kafkajs/src/protocol/request');
const kafkajsFetch = require('kafkajs/src/protocol/requests/fetch/v11/response');

interface TestRecord {
  readonly key: Buffer;
  readonly value: Buffer | null;
  readonly timestampMs: bigint;
  readonly header: Buffer | null;
}

const HEADER = Buffer.from('position');
const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((b) => Buffer.from(b));
/** Years around a commit time; records need not ascend. */
const timestamp = fc.bigInt({ min: 0n, max: 4_000_000_000_000n });
const record: fc.Arbitrary<TestRecord> = fc.record({
  key: bytes(40),
  value: fc.option(bytes(400)),
  timestampMs: timestamp,
  header: fc.option(bytes(50)),
});
const identity = fc.record({
  producerId: fc.bigInt({ min: 0n, max: (1n << 63n) - 1n }),
  epoch: fc.integer({ min: 0, max: 32767 }),
});
const sequence = fc.integer({ min: 0, max: 0x7fffffff });

function fill(batch: RecordBatch, records: readonly TestRecord[]): void {
  const slab = new Slab(16);
  for (const { key, value, timestampMs, header } of records) {
    slab.reset();
    slab.ensure(key.length + (value?.length ?? 0) + 7);
    slab.pos = 7;
    const keyEnd = 7 + key.copy(slab.bytes, 7);
    const valueEnd = value ? keyEnd + value.copy(slab.bytes, keyEnd) : -1;
    batch.append(slab, 7, keyEnd, value ? keyEnd : -1, valueEnd, timestampMs, header && HEADER, header);
  }
}

const sent = (batch: RecordBatch, identity: ProducerIdentity, sequence: number) =>
  Buffer.concat(batch.finish(identity, sequence));

async function oracle(
  records: readonly TestRecord[],
  producerId: bigint,
  producerEpoch: number,
  firstSequence: number,
) {
  const firstTimestamp = records[0]!.timestampMs;
  const maxTimestamp = records
    .map((r) => r.timestampMs)
    .sort((a, b) => (a < b ? -1 : 1))
    .at(-1);
  const encoded = records.map(({ key, value, timestampMs, header }, offsetDelta) =>
    encodeRecord({
      key,
      value,
      headers: header ? { position: header } : {},
      offsetDelta,
      timestampDelta: timestampMs - firstTimestamp,
    }),
  );
  const lastOffsetDelta = records.length - 1;
  const parts = { firstTimestamp, maxTimestamp, producerId, producerEpoch, firstSequence, lastOffsetDelta };
  return (await encodeBatch({ ...parts, records: encoded })).buffer as Buffer;
}

describe('RecordBatch', () => {
  it("has kafkajs's bytes, whatever the records", async () => {
    const records = fc.array(record, { minLength: 1, maxLength: 80 });
    await fc.assert(
      fc.asyncProperty(records, identity, sequence, async (records, identity, sequence) => {
        const batch = new RecordBatch();
        fill(batch, records);
        const expected = await oracle(records, identity.producerId, identity.epoch, sequence);
        expect(sent(batch, identity, sequence).equals(expected)).toBe(true);
        expect(batch.size).toBe(expected.length);
      }),
    );
  });

  it.each([1, 63, 64, 8191, 8192, 70_000, 1_048_576, 3_000_000])(
    "has kafkajs's bytes for a value of %d bytes",
    async (size) => {
      const records = [0, 1].map((i) => ({
        key: Buffer.from('k'),
        value: Buffer.alloc(size, i),
        timestampMs: 5n,
        header: null,
      }));
      const batch = new RecordBatch();
      fill(batch, records);
      expect(sent(batch, { producerId: 7n, epoch: 3 }, 9).equals(await oracle(records, 7n, 3, 9))).toBe(true);
    },
  );

  it('has deltas at the borders of their encodings', async () => {
    const deltas = [
      0,
      63,
      64,
      -64,
      -65,
      8191,
      8192,
      2 ** 30 - 1,
      2 ** 30,
      -(2 ** 30),
      -(2 ** 30) - 1,
      2 ** 31,
      2 ** 41,
    ];
    const records = deltas.map((d) => ({
      key: Buffer.from('k'),
      value: null,
      timestampMs: 3_000_000_000_000n + BigInt(d),
      header: null,
    }));
    const batch = new RecordBatch();
    fill(batch, records);
    expect(sent(batch, { producerId: 1n, epoch: 0 }, 0).equals(await oracle(records, 1n, 0, 0))).toBe(true);
  });

  it('forgets everything when cleared and can be finished again with the same bytes', async () => {
    const batch = new RecordBatch();
    fill(batch, [{ key: Buffer.from('old'), value: Buffer.alloc(50_000), timestampMs: 99n, header: HEADER }]);
    batch.clear();
    expect(batch.size).toBe(0);
    const records = [{ key: Buffer.from('new'), value: Buffer.from('v'), timestampMs: 5n, header: null }];
    fill(batch, records);
    const expected = await oracle(records, 4n, 2, 11);
    expect(sent(batch, { producerId: 4n, epoch: 2 }, 11).equals(expected)).toBe(true);
    expect(sent(batch, { producerId: 4n, epoch: 2 }, 11).equals(expected)).toBe(true);
  });
});

it('borrows a large value instead of copying it, and gives it back when cleared', () => {
  const batch = new RecordBatch();
  const slab = new Slab(1 << 20);
  const { bytes } = slab;
  batch.append(slab, 0, 1, 1, 1 << 20, 1n, null, null);
  slab.reset();
  expect(slab.bytes.buffer).not.toBe(bytes.buffer);
  expect(batch.finish({ producerId: 1n, epoch: 0 }, 0).some((piece) => piece.buffer === bytes.buffer)).toBe(true);
  batch.clear();
  expect(batch.finish({ producerId: 1n, epoch: 0 }, 0).some((piece) => piece.buffer === bytes.buffer)).toBe(false);
});

describe('nextSequence', () => {
  // As org.apache.kafka.common.record.DefaultRecordBatch.incrementSequence.
  it.each([
    [0, 5, 5],
    [2 ** 31 - 2, 1, 2 ** 31 - 1],
    [2 ** 31 - 1, 1, 0],
    [2 ** 31 - 3, 10, 7],
  ])('after %d and %d records comes %d', (sequence, records, next) => {
    expect(nextSequence(sequence, records)).toBe(next);
  });
});

describe('encodeProduce', () => {
  const position: Position = { epoch: 1n, commitLsn: 0x16b3748n, seq: 2n };

  it("is kafkajs's Produce request, byte for byte", async () => {
    const batch = new PartitionedBatch(
      [
        { name: 'ventia.tenants', partitions: 2 },
        { name: 'ventia.orders', partitions: 3 },
        { name: 'state', partitions: 1 },
      ],
      'state',
    );
    const slab = new Slab();
    slab.pos = slab.bytes.write('keyvalue');
    batch.append('ventia.orders', 2, slab, 0, 3, 3, 8, 1_700_000_000_000n, null);
    batch.append('ventia.tenants', 1, slab, 0, 3, 3, 8, 1_700_000_000_001n, null);
    batch.append('ventia.orders', 2, slab, 0, 3, -1, -1, 1_700_000_000_002n, position);
    batch.appendState('connector/source', '{"größe":1}', 1_700_000_000_003n);
    const parts = batch.finish({ producerId: 4711n, epoch: 12 }, (_, partition) => partition * 10);
    const ours = Buffer.concat(encodeProduce('ventia-cdc', 77, parts, 7000));

    const message = (timestamp: number, value: string | null, headers = {}) => ({
      key: Buffer.from('key'),
      value: value && Buffer.from(value),
      timestamp,
      headers,
    });
    const tombstone = message(1_700_000_000_002, null, { position: formatPosition(position) });
    const state = { ...message(1_700_000_000_003, '{"größe":1}'), key: Buffer.from('connector/source') };
    const request = kafkajsProduce({
      acks: -1,
      timeout: 7000,
      producerId: 4711n,
      producerEpoch: 12,
      topicData: [
        {
          topic: 'ventia.tenants',
          partitions: [{ partition: 1, firstSequence: 10, messages: [message(1_700_000_000_001, 'value')] }],
        },
        {
          topic: 'ventia.orders',
          partitions: [{ partition: 2, firstSequence: 20, messages: [message(1_700_000_000_000, 'value'), tombstone] }],
        },
        { topic: 'state', partitions: [{ partition: 0, firstSequence: 0, messages: [state] }] },
      ],
    });
    const theirs = await kafkajsRequest({ correlationId: 77, clientId: 'ventia-cdc', request });
    expect(ours.toString('hex')).toBe(theirs.buffer.toString('hex'));
  });

  it('counts bytes and records as they are sent', () => {
    const batch = new PartitionedBatch([{ name: 't', partitions: 2 }], 't');
    const slab = new Slab();
    slab.pos = 200;
    for (let i = 0; i < 50; i++) batch.append('t', i % 3 === 0 ? 0 : 1, slab, 0, 20, 20, 200, 1n, null);
    const parts = batch.finish({ producerId: 1n, epoch: 0 }, () => 0);
    const sizes = parts.map(({ pieces }) => Buffer.concat(pieces).length);
    expect(batch.records).toBe(50);
    expect(batch.bytes).toBe(sizes[0]! + sizes[1]!);
    expect(batch.largestBytes).toBe(Math.max(...sizes));
    batch.clear();
    expect([batch.records, batch.bytes, batch.largestBytes]).toEqual([0, 0, 0]);
    expect(batch.finish({ producerId: 1n, epoch: 0 }, () => 0)).toEqual([]);
  });

  it('knows the exact size of a batch before it is made', () => {
    const lengths = fc.record({ key: fc.integer({ min: 0, max: 200 }), value: fc.integer({ min: -1, max: 20_000 }) });
    fc.assert(
      fc.property(fc.array(lengths, { minLength: 1, maxLength: 3 }), (records) => {
        const batch = new PartitionedBatch([{ name: 't', partitions: 1 }], 't');
        const slab = new Slab(32 * 1024);
        for (const { key, value } of records) {
          const valueStart = value < 0 ? -1 : key;
          batch.append('t', 0, slab, 0, key, valueStart, key + value, 7n, value < 0 ? position : null);
        }
        expect(batchBytes(records)).toBe(batch.bytes);
      }),
    );
  });

  it('refuses what it does not have', () => {
    const batch = new PartitionedBatch([{ name: 't', partitions: 2 }], 'state');
    expect(() => batch.append('other', 0, new Slab(), 0, 1, 1, 2, 1n, null)).toThrow(RangeError);
    expect(() => batch.append('t', 2, new Slab(), 0, 1, 1, 2, 1n, null)).toThrow(RangeError);
    expect(() => batch.appendState('k', 'v', 1n)).toThrow(RangeError);
  });
});

describe('decodeBatches', () => {
  const encode = (records: readonly TestRecord[]) => {
    const batch = new RecordBatch();
    fill(batch, records);
    return sent(batch, { producerId: 4711n, epoch: 12 }, 0);
  };

  it('gives back what was written', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 30 }), async (records) => {
        const decoded = await decodeBatches(encode(records));
        expect(
          decoded.map(({ key, value, timestampMs, headers }) => ({
            key,
            value,
            timestampMs: BigInt(timestampMs),
            header: headers.position ?? null,
          })),
        ).toEqual(records);
        expect(decoded.map((r) => r.offset)).toEqual(records.map((_, i) => BigInt(i)));
      }),
    );
  });

  it("agrees with kafkajs's decoder on a whole response", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 20 }), async (records) => {
        const response = fetchResponse(encode(records));
        const ours = (await decodeFetchResponse(response)).responses[0]!.partitions[0]!;
        const theirs = (await kafkajsFetch.decode(response)).responses[0].partitions[0];
        expect({ ...ours, messages: null, logStartOffset: null }).toEqual({
          partition: theirs.partition,
          errorCode: theirs.errorCode,
          highWatermark: theirs.highWatermark,
          abortedTransactions: [],
          preferredReadReplica: theirs.preferredReadReplica,
          messages: null,
          logStartOffset: null,
        });
        expect(
          ours.messages.map((m) => [
            String(m.offset),
            String(m.timestampMs),
            m.key,
            m.value,
            m.isControlRecord,
            m.headers,
          ]),
        ).toEqual(
          theirs.messages.map((m: Record<string, unknown>) => [
            m.offset,
            m.timestamp,
            m.key,
            m.value,
            m.isControlRecord,
            m.headers,
          ]),
        );
      }),
    );
  });

  const three = encode(
    [1, 2, 3].map((i) => ({ key: Buffer.from(`k${i}`), value: null, timestampMs: 1n, header: null })),
  );

  it('leaves out the batch that the broker cut off', async () => {
    const two = Buffer.concat([three, three]);
    expect(await decodeBatches(two.subarray(0, two.length - 1))).toHaveLength(3);
    expect(await decodeBatches(two.subarray(0, three.length + 20))).toHaveLength(3);
  });

  it('refuses a batch with a wrong byte', async () => {
    const damaged = Buffer.from(three);
    damaged[damaged.length - 2]! ^= 1;
    await expect(decodeBatches(damaged)).rejects.toMatchObject({ type: 'CORRUPT_MESSAGE' });
  });

  it('marks how far a batch reaches whose last records were compacted away', async () => {
    const { crc32c } = require('@node-rs/crc32');
    const compacted = Buffer.from(three);
    compacted.writeInt32BE(9, 23); // last offset delta
    compacted.writeUInt32BE(crc32c(compacted.subarray(21)), 17);
    const decoded = await decodeBatches(compacted);
    expect(decoded.map((r) => [r.offset, r.isControlRecord, r.batchContext.isControlBatch])).toEqual([
      [0n, false, false],
      [1n, false, false],
      [2n, false, false],
      [9n, true, false],
    ]);
  });
});

/** As a broker sends it: one topic, one partition. */
function fetchResponse(set: Buffer): Buffer {
  const head = Buffer.alloc(66);
  let at = 0;
  at = head.writeInt32BE(0, at); // throttle
  at = head.writeInt16BE(0, at);
  at = head.writeInt32BE(0, at); // session
  at = head.writeInt32BE(1, at);
  at = head.writeInt16BE(1, at);
  at += head.write('t', at);
  at = head.writeInt32BE(1, at);
  at = head.writeInt32BE(5, at); // partition
  at = head.writeInt16BE(0, at);
  at = head.writeBigInt64BE(1234n, at);
  at = head.writeBigInt64BE(1234n, at);
  at = head.writeBigInt64BE(0n, at);
  at = head.writeInt32BE(-1, at); // aborted transactions
  at = head.writeInt32BE(-1, at);
  at = head.writeInt32BE(set.length, at);
  return Buffer.concat([head.subarray(0, at), set]);
}
