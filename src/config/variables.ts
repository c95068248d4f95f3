import type { z } from 'zod';
import { anyText, brokerList, httpUrl, oneOf, onOff, pemFile, portNumber, postgresUrl, secretOf } from './formats';

/** Who needs a variable that has no default: the connectors that are asked for decide. */
export type Role = 'capture' | 'sinks';

export interface Variable<T> {
  readonly schema: z.ZodType<T, string>;
  readonly about: string;
  /** Never printed, and also taken from the file named by `<NAME>_FILE`. */
  readonly secret: boolean;
  /** As it would be written. */
  readonly fallback: string | null;
  readonly requiredBy: Role | null;
}

function plain<T>(schema: z.ZodType<T, string>, about: string, fallback: string | null = null): Variable<T> {
  return { schema, about, secret: false, fallback, requiredBy: null };
}

function secret<T>(schema: z.ZodType<T, string>, about: string, requiredBy: Role | null = null): Variable<T> {
  return { schema, about, secret: true, fallback: null, requiredBy };
}

/** Every environment variable the service reads. */
export const VARIABLES = {
  VENTIA_SOURCE_URL: secret(postgresUrl, "Ventia's PostgreSQL; a role with REPLICATION.", 'capture'),
  VENTIA_SOURCE_PASSWORD: secret(anyText, "Password of VENTIA_SOURCE_URL's user, where the URL holds none."),
  VENTIA_ADMIN_URL: secret(postgresUrl, "Ventia's PostgreSQL as owner, for set-up only; else VENTIA_SOURCE_URL."),
  MESSAGING_URL: secret(postgresUrl, "Messaging's PostgreSQL; may be another database or server.", 'sinks'),
  MESSAGING_PASSWORD: secret(anyText, "Password of MESSAGING_URL's user, where the URL holds none."),
  MESSAGING_ADMIN_URL: secret(postgresUrl, "Messaging's PostgreSQL as owner, for set-up only; else MESSAGING_URL."),
  KAFKA_BROKERS: plain(brokerList, 'Where to find the Kafka cluster.', '127.0.0.1:9092'),
  KAFKA_SSL: plain(onOff, 'TLS to Kafka; by itself true when any KAFKA_SSL_* is set.'),
  KAFKA_SSL_CA: plain(pemFile, "PEM file of the authority that signed Kafka's certificate."),
  KAFKA_SSL_CERT: plain(pemFile, 'PEM file of our client certificate; together with KAFKA_SSL_KEY.'),
  KAFKA_SSL_KEY: plain(pemFile, "PEM file of our client certificate's key."),
  KAFKA_SASL_MECHANISM: plain(
    oneOf(['plain', 'scram-sha-256', 'scram-sha-512']),
    'Login to Kafka; together with the next two.',
  ),
  KAFKA_SASL_USERNAME: plain(anyText, "Kafka's user."),
  KAFKA_SASL_PASSWORD: secret(anyText, 'Its password.'),
  SCHEMA_REGISTRY_URL: plain(
    httpUrl,
    'A registry that speaks the Confluent API; may have a path such as /apis/ccompat/v7.',
    'http://127.0.0.1:8081',
  ),
  SCHEMA_REGISTRY_USERNAME: plain(anyText, "The registry's user; together with the password."),
  SCHEMA_REGISTRY_PASSWORD: secret(anyText, 'Its password.'),
  SCHEMA_REGISTRY_SSL_CA: plain(pemFile, "PEM file of the authority that signed the registry's certificate."),
  HTTP_HOST: plain(anyText, 'Address to listen on.', '127.0.0.1'),
  HTTP_PORT: plain(portNumber, 'Port to listen on; 0 = any free one.', '8083'),
  ADMIN_TOKEN: secret(
    secretOf(16),
    'Bearer token for everything over HTTP. Without one only loopback is served, except /health, /ready and /metrics.',
  ),
  VIEWER_TOKEN: secret(secretOf(16), 'Bearer token for reading only, personal data masked.'),
  PRIVACY_KEY: secret(
    secretOf(32),
    'Key of the hashes that stand for erased persons; needed by erase, and by sinks once somebody was erased. Keep it: without it erased persons cannot be kept out.',
  ),
  LOG_LEVEL: plain(oneOf(['debug', 'info', 'warn', 'error', 'silent']), 'Least severe log lines to write.', 'info'),
  CONNECTORS_DIR: plain(anyText, 'Folder of the connector files.', 'connectors'),
  CONTRACTS_DIR: plain(
    anyText,
    'Folder of contracts of your own, with sub-folders seed and repo; else those that are shipped.',
  ),
} as const;

export type VariableName = keyof typeof VARIABLES;

/** Checked values; null = not set. */
export type Values = { [N in VariableName]: z.output<(typeof VARIABLES)[N]['schema']> | null };
