import { CdcError } from '../../../src/core/errors';
import { toKafkaError } from '../../../src/kafka/errors';

const kafkajs = require('kafkajs/src/errors');
const { createErrorFromCode } = require('kafkajs/src/protocol/error');

describe('toKafkaError', () => {
  it.each([
    [3, 'topic_missing'],
    [5, 'kafka_unreachable'],
    [10, 'record_too_large'],
    [14, 'kafka_unreachable'],
    [19, 'kafka_unreachable'],
    [29, 'kafka_refused'],
    [30, 'kafka_refused'],
    [42, 'internal'],
    [47, 'fenced'],
    [53, 'kafka_refused'],
    [58, 'kafka_refused'],
    [90, 'fenced'],
  ])('calls the code %d %s', (code, kind) => {
    expect(toKafkaError(createErrorFromCode(code)).kind).toBe(kind);
  });

  it.each([
    ['KafkaJSConnectionError', 'kafka_unreachable'],
    ['KafkaJSRequestTimeoutError', 'kafka_unreachable'],
    ['KafkaJSBrokerNotFound', 'kafka_unreachable'],
    ['KafkaJSLockTimeout', 'kafka_unreachable'],
    ['KafkaJSSASLAuthenticationError', 'kafka_refused'],
    ['KafkaJSNotImplemented', 'internal'],
  ])('calls %s %s', (name, kind) => {
    const error = new kafkajs[name]('what');
    expect(toKafkaError(error)).toMatchObject({ kind, message: 'what', cause: error });
  });

  it("looks through kafkajs's wrappings", () => {
    const root = createErrorFromCode(47);
    const retried = new kafkajs.KafkaJSNumberOfRetriesExceeded(root, { retryCount: 1, retryTime: 1 });
    const wrapped = new kafkajs.KafkaJSNonRetriableError(retried, { cause: retried });
    expect(toKafkaError(wrapped).kind).toBe('fenced');
    const several = new kafkajs.KafkaJSAggregateError('several', [createErrorFromCode(29), createErrorFromCode(3)]);
    expect(toKafkaError(several).kind).toBe('kafka_refused');
  });

  it('tells a wrong certificate from a server that is away', () => {
    const tls = new kafkajs.KafkaJSConnectionError('no', { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
    expect(toKafkaError(tls)).toMatchObject({ kind: 'kafka_refused', fix: expect.stringContaining('KAFKA_SSL_CA') });
    const away = new kafkajs.KafkaJSConnectionError('no', { code: 'ECONNREFUSED' });
    expect(toKafkaError(away).kind).toBe('kafka_unreachable');
  });

  it('leaves ours alone, also inside a wrapping', () => {
    const ours = new CdcError('messaging_query', 'x');
    expect(toKafkaError(ours)).toBe(ours);
    expect(toKafkaError(new kafkajs.KafkaJSNonRetriableError(ours, { cause: ours }))).toBe(ours);
  });
});
