import { once } from 'node:events';
import { connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { silentLogger } from '../../../src/core/ports/log';
import { Slab } from '../../../src/core/slab';
import { openLink } from '../../../src/kafka/client';
import { decodeBatches } from '../../../src/kafka/fetch-response';
import {
  type Connection,
  KafkajsConnection,
  KafkajsRequestQueue,
  type RequestQueue,
} from '../../../src/kafka/internals';
import { bridgeLog } from '../../../src/kafka/log-bridge';
import { RecordBatch } from '../../../src/kafka/record-batch';
import { eventually } from '../../support/wait';

/** What kafkajs would do without our mends. A bump that makes one of them needless fails here. */
const StockDecoder = require('kafkajs/src/protocol/decoder');
const stockDecodeMessages = require('kafkajs/src/protocol/requests/fetch/v4/decodeMessages');

const access = { brokers: ['127.0.0.1:1'], ssl: null, sasl: null };
/** Mends kafkajs; connects to nothing. */
beforeAll(() => openLink(access, silentLogger));

it('are made for one exact version', () => {
  expect(require('kafkajs/package.json').version).toBe('2.2.4');
});

describe('a request queue', () => {
  const create = (): RequestQueue & { pending: unknown[]; throttledUntil: number } =>
    new (
      KafkajsRequestQueue as unknown as new (
        o: object,
      ) => RequestQueue & { pending: unknown[]; throttledUntil: number }
    )({ requestTimeout: 1000, enforceRequestTimeout: true, logger: bridgeLog(silentLogger) });

  it('has no timer while nothing is pending', () => {
    const queue = create();
    queue.checkPendingRequests();
    expect(queue.throttleCheckTimeoutId).toBeNull();
  });

  it('looks again when the broker no longer throttles us', async () => {
    const queue = create();
    const sent = jest.fn();
    queue.maybeThrottle(50);
    queue.push({
      entry: { apiKey: 0, apiName: 'x', apiVersion: 0, correlationId: 1, resolve() {}, reject() {} },
      expectResponse: true,
      requestTimeout: 1000,
      sendRequest: sent,
    });
    expect(sent).not.toHaveBeenCalled();
    await eventually(() => sent.mock.calls.length === 1);
    expect(queue.throttleCheckTimeoutId).toBeNull();
    queue.destroy();
  });
});

describe('a connection', () => {
  let server: Server;
  let accepted: Socket[];
  let connection: Connection;

  beforeEach(async () => {
    accepted = [];
    // Takes everything and answers nothing.
    server = createServer((socket) => {
      accepted.push(socket);
      socket.on('error', () => {}).resume();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const Create = KafkajsConnection as unknown as new (o: object) => Connection;
    connection = new Create({
      host: '127.0.0.1',
      port,
      logger: bridgeLog(silentLogger).namespace('test'),
      socketFactory: (o: { host: string; port: number; onConnect: () => void }) => connectTcp(o, o.onConnect),
      requestTimeout: 200,
      connectionTimeout: 1000,
    });
  });
  afterEach(async () => {
    connection.socket?.destroy(new Error('the test is over'));
    for (const socket of accepted) socket.destroy();
    server.close();
    await once(server, 'close');
  });

  it('is made once for all who ask at the same time', async () => {
    await Promise.all([connection.connect(), connection.connect(), connection.connect()]);
    await eventually(() => accepted.length > 0);
    expect(accepted).toHaveLength(1);
  });

  it('that leaves a request unanswered is cut, and the next one is another', async () => {
    await connection.connect();
    const request = {
      request: {
        apiKey: 18,
        apiName: 'ApiVersions',
        apiVersion: 0,
        encode: async () => ({ buffer: Buffer.alloc(0), buf: Buffer.alloc(0) }),
      },
      response: { decode: async () => null, parse: async () => null },
    };
    await expect(connection.send(request)).rejects.toMatchObject({ name: 'KafkaJSRequestTimeoutError' });
    await eventually(() => !connection.isConnected());
    await eventually(() => accepted[0]!.destroyed);
    await connection.connect();
    await eventually(() => accepted.length === 2);
  });

  it('keeps no listeners on a socket that is gone', async () => {
    await connection.connect();
    const { socket } = connection;
    socket!.destroy();
    for (let i = 0; i < 20; i++) await connection.disconnect();
    expect(socket!.listenerCount('connect')).toBeLessThan(2);
  });
});

it('fetches know how far a batch reaches, which kafkajs forgets', async () => {
  const batch = new RecordBatch();
  const slab = new Slab();
  slab.bytes.write('kv');
  batch.append(slab, 0, 1, 1, 2, 1n, null, null);
  const set = Buffer.concat(batch.finish({ producerId: 1n, epoch: 0 }, 0));
  // As the log cleaner leaves it: the frame of 5 records, none of them there any more.
  const empty = Buffer.from(set.subarray(0, 61));
  empty.writeInt32BE(49, 8);
  empty.writeInt32BE(4, 23);
  empty.writeInt32BE(0, 57);
  const { crc32c } = require('@node-rs/crc32');
  empty.writeUInt32BE(crc32c(empty.subarray(21)), 17);
  const response = Buffer.concat([Buffer.alloc(4), empty]);
  response.writeInt32BE(empty.length);
  expect(await stockDecodeMessages(new StockDecoder(response))).toEqual([]);
  expect(await decodeBatches(empty)).toMatchObject([{ offset: 4n, isControlRecord: true }]);
});

describe('the log bridge', () => {
  it('turns warnings and errors into debug lines of known fields', () => {
    const debug = jest.fn();
    const logger = bridgeLog({ ...silentLogger, debug }).namespace('Test') as unknown as Record<
      string,
      (message: string, extra: object) => void
    >;
    logger.error!('it failed', { broker: 'b:1', stack: 'secret', error: new Error('x'), topic: 't', payload: 'value' });
    logger.warn!('take care', { groupId: 'g' });
    logger.info!('hello', {});
    logger.debug!('hello', {});
    expect(debug.mock.calls).toEqual([
      [{ kafkajs: 'Test', broker: 'b:1', topic: 't' }, 'it failed'],
      [{ kafkajs: 'Test', groupId: 'g' }, 'take care'],
    ]);
  });
});
