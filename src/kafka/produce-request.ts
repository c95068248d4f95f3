import { groupBy } from './group-by';
import { type Connection, produceResponse } from './internals';
import type { OutgoingPart } from './outgoing-batch';
import { partitionKey } from './scan';

const API_KEY = 0;
const API_VERSION = 7;
const ACKS_ALL = -1;

export interface PartResult {
  readonly part: OutgoingPart;
  /** Kafka's error code; 0 = acknowledged by all in-sync replicas. */
  readonly errorCode: number;
  /** Where it lies; -1 = the broker does not tell. */
  readonly baseOffset: bigint;
}

/**
 * Sends the batches of one leader in one Produce request (acks=all, not transactional) and resolves with the answer for
 * each. The batches go to the socket as they are, without a copy: nobody may touch them before this settles.
 *
 * kafkajs keeps the connection, the login, the correlation of answers, throttling and the time limit.
 */
export async function sendProduce(
  connection: Connection,
  parts: readonly OutgoingPart[],
  brokerTimeoutMs: number,
  requestTimeoutMs: number,
): Promise<PartResult[]> {
  await connection.authenticate();
  const correlationId = connection.nextCorrelationId();
  const chunks = encodeProduce(connection.clientId, correlationId, parts, brokerTimeoutMs);
  const { payload } = await new Promise<{ readonly payload: Buffer }>((resolve, reject) => {
    connection.requestQueue.push({
      entry: { apiKey: API_KEY, apiName: 'Produce', apiVersion: API_VERSION, correlationId, resolve, reject },
      expectResponse: true,
      requestTimeout: requestTimeoutMs,
      sendRequest: () => {
        const { socket } = connection;
        if (!socket || !connection.isConnected()) return reject(new Error('the connection ended before the request'));
        socket.cork();
        for (const chunk of chunks) socket.write(chunk);
        socket.uncork();
      },
    });
  });
  const decoded = await produceResponse.decode(payload);
  connection.requestQueue.maybeThrottle(decoded.clientSideThrottleTime);
  const answers = new Map<string, Omit<PartResult, 'part'>>();
  for (const { topicName, partitions } of decoded.topics)
    for (const { partition, errorCode, baseOffset } of partitions)
      answers.set(partitionKey(topicName, partition), { errorCode, baseOffset: BigInt(baseOffset) });
  return parts.map((part) => ({ part, ...(answers.get(partitionKey(part.topic, part.partition)) ?? UNKNOWN) }));
}

const UNKNOWN = { errorCode: -1, baseOffset: -1n };

/** The request as chunks to be written one after the other: our frame between the batches' own bytes. */
export function encodeProduce(
  clientId: string,
  correlationId: number,
  parts: readonly OutgoingPart[],
  brokerTimeoutMs: number,
): Buffer[] {
  const topics = groupBy(parts, ({ topic }) => topic);
  const names = [...topics.keys()].reduce((sum, name) => sum + Buffer.byteLength(name), Buffer.byteLength(clientId));
  const frame = new Frame(64 + names + 8 * (topics.size + parts.length));
  frame.int32(0); // length, filled below
  frame.int16(API_KEY);
  frame.int16(API_VERSION);
  frame.int32(correlationId);
  frame.string(clientId);
  frame.int16(-1); // no transactional id
  frame.int16(ACKS_ALL);
  frame.int32(brokerTimeoutMs);
  frame.int32(topics.size);
  for (const [topic, ofTopic] of topics) {
    frame.string(topic);
    frame.int32(ofTopic.length);
    for (const { partition, pieces, bytes } of ofTopic) {
      frame.int32(partition);
      frame.int32(bytes);
      frame.append(pieces);
    }
  }
  return frame.finish();
}

class Frame {
  private readonly buffer: Buffer;
  private pos = 0;
  private cut = 0;
  private readonly chunks: Buffer[] = [];

  constructor(maxBytes: number) {
    this.buffer = Buffer.allocUnsafe(maxBytes);
  }

  int16(value: number): void {
    this.pos = this.buffer.writeInt16BE(value, this.pos);
  }

  int32(value: number): void {
    this.pos = this.buffer.writeInt32BE(value, this.pos);
  }

  string(value: string): void {
    this.int16(Buffer.byteLength(value));
    this.pos += this.buffer.write(value, this.pos);
  }

  append(pieces: readonly Buffer[]): void {
    this.chunks.push(this.buffer.subarray(this.cut, this.pos), ...pieces);
    this.cut = this.pos;
  }

  finish(): Buffer[] {
    if (this.cut < this.pos) this.chunks.push(this.buffer.subarray(this.cut, this.pos));
    const total = this.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    this.buffer.writeInt32BE(total - 4, 0);
    return this.chunks;
  }
}
