import { CdcError, type ErrorKind } from '../core/errors';
import { isTlsTrouble } from '../core/tls-trouble';

/** kafkajs's errors, as far as they matter here: a name always, a type for what a broker answered. */
interface KafkajsError extends Error {
  readonly type?: string;
  readonly code?: string | number;
  readonly retriable?: boolean;
  /** Of an answer that is about one topic. */
  readonly topic?: string;
}

const REFUSED = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
  'SASL_AUTHENTICATION_FAILED',
  'UNSUPPORTED_SASL_MECHANISM',
  'ILLEGAL_SASL_STATE',
  'SECURITY_DISABLED',
]);
const FENCED = new Set(['INVALID_PRODUCER_EPOCH', 'INVALID_PRODUCER_ID_MAPPING']);
const TOO_LARGE = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE']);
const MISSING = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'INVALID_TOPIC_EXCEPTION']);
const AWAY = new Set([
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSRequestTimeoutError',
  'KafkaJSBrokerNotFound',
  'KafkaJSNoBrokerAvailableError',
  'KafkaJSLockTimeout',
  'KafkaJSMetadataNotLoaded',
  'KafkaJSTopicMetadataNotLoaded',
  'KafkaJSGroupCoordinatorNotFound',
]);
/** Not in kafkajs's table of codes. */
const PRODUCER_FENCED = 'Unknown error code 90';

/**
 * Any failure of kafkajs as a CdcError. Errors of brokers hold codes and topic names, never values or keys. `asked`: what the
 * request was about, where the answer does not say.
 */
export function toKafkaError(error: unknown, asked?: string): CdcError {
  const root = rootOf(error);
  if (root instanceof CdcError) return root;
  if (!(root instanceof Error)) return new CdcError('internal', String(root), { cause: error });
  const { name, type, message, topic = asked } = root as KafkajsError;
  if (isTlsTrouble(root))
    return new CdcError('kafka_refused', `TLS to Kafka failed: ${message}`, {
      cause: error,
      fix: 'Check KAFKA_SSL_CA, KAFKA_SSL_CERT and KAFKA_SSL_KEY.',
    });
  return new CdcError(kindOf(root, name, type ?? '', message), topic ? `${topic}: ${message}` : message, {
    cause: error,
  });
}

function kindOf(error: KafkajsError, name: string, type: string, message: string): ErrorKind {
  if (name === 'KafkaJSSASLAuthenticationError' || REFUSED.has(type)) return 'kafka_refused';
  if (FENCED.has(type) || message === PRODUCER_FENCED) return 'fenced';
  if (TOO_LARGE.has(type)) return 'record_too_large';
  if (MISSING.has(type)) return 'topic_missing';
  if (AWAY.has(name)) return 'kafka_unreachable';
  // A broker that answers "not now": coordinator loading, leader election, too few replicas.
  return type !== '' && error.retriable === true ? 'kafka_unreachable' : 'internal';
}

/** kafkajs wraps what went wrong in "retries exceeded" and "not retriable", several deep, and several in an aggregate. */
function rootOf(error: unknown): unknown {
  let root = error;
  while (root instanceof Error && !(root instanceof CdcError)) {
    const inner: unknown = root.cause ?? (root as { readonly errors?: readonly unknown[] }).errors?.[0];
    if (!(inner instanceof Error)) break;
    root = inner;
  }
  return root;
}
