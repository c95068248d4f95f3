import { z } from 'zod';
import {
  anyName,
  anyWord,
  choice,
  flag,
  identifier,
  integer,
  integerOrAuto,
  list,
  slotName,
  tableName,
  topicMap,
  topicName,
} from './connector-keys';

export interface SourceTable {
  readonly schema: string;
  readonly table: string;
  readonly topic: string;
}

/** A key's schema with what people must know: the text goes into the JSON schema and the documentation. */
function key<T extends z.ZodType>(schema: T, fallback: z.input<T>, description: string) {
  return schema.prefault(fallback as never).meta({ description });
}

const stateTopic = key(topicName, '_ventia_cdc_state', "The service's own memory: a compacted topic.");

const progressTimeout = key(
  integer(10_000, 3_600_000),
  15_000,
  'How long nothing may move while there is something to do; then the connector is not ready (CDC-902), whatever the cause.',
);

const SOURCE = {
  'connector.class': z.literal('ventia.PostgresSource'),
  'topic.prefix': key(topicName, 'ventia', 'A table without an entry in topics goes to <topic.prefix>.<table>.'),
  'table.include.list': key(
    list(tableName),
    'ventia.tenants,ventia.orders',
    'Tables to capture, exact names. Only columns of their contract files leave the database.',
  ),
  topics: key(topicMap, {}, 'Topic of each table, by table name without schema.'),
  'slot.name': key(slotName, 'ventia_cdc', 'Replication slot.'),
  'publication.name': key(identifier, 'ventia_cdc', 'Publication.'),
  'publication.columns': key(
    choice('none', 'contract'),
    'none',
    'contract: the publication lists the columns, so that others never leave the server. The price: PostgreSQL then refuses ALTER COLUMN TYPE on them, and DROP COLUMN … CASCADE unpublishes the table.',
  ),
  'schema.profile': key(
    choice('auto', 'seed', 'repo'),
    'auto',
    'Form of the ids: seed = uuid, repo = integer, auto = as the catalog says.',
  ),
  'snapshot.mode': key(
    choice('initial', 'never', 'when_needed'),
    'initial',
    'Rows that were there before: initial = loaded at the first start, never = left out, when_needed = also loaded again after a lost slot.',
  ),
  'snapshot.chunk.rows': key(
    integer(100, 1_000_000),
    50_000,
    'Rows read at a time in a load, at most. How many it is follows from the time that the last chunk took, and max.batch.bytes bounds it too.',
  ),
  'errors.policy': key(
    choice('halt', 'dead-letter'),
    'halt',
    'A record that cannot be written: halt and say so, or put a stub into the dead-letter topic and go on.',
  ),
  'errors.deadletterqueue.topic.name': key(topicName, '_ventia_cdc_dlq', 'Dead-letter topic.'),
  'confirm.trail.ms': key(
    integerOrAuto(0, 3_600_000),
    'auto',
    'How long the position told to PostgreSQL trails the one Kafka has, against power cuts. auto = where a topic has fewer than two in-sync replicas 30000, or 60000 if the broker does not look at flush.ms; else 0.',
  ),
  'max.batch.bytes': key(integer(65_536, 67_108_864), 4_194_304, 'Bytes gathered at most before they are sent.'),
  partitions: key(
    integer(1, 1024),
    6,
    'Partitions of a topic that setup makes. Later: ventia-cdc setup --repartition.',
  ),
  'replication.factor': key(
    integerOrAuto(1, 15),
    'auto',
    'Copies of each topic at its creation. auto = 3, or the number of brokers when there are fewer.',
  ),
  'progress.timeout.ms': progressTimeout,
  'state.topic': stateTopic,
};

/** What both sinks have. */
const sink = (topics: string, group: string, topicsAre: string) => ({
  topics: key(list(topicName), topics, topicsAre),
  'consumer.group': key(anyName, group, 'Consumer group; its offsets are the resume point.'),
  'messaging.schema': key(identifier, 'messaging', "Schema of Messaging's tables."),
  'batch.max.records': key(integer(1, 100_000), 1_000, 'Events applied at most in one transaction.'),
  'progress.timeout.ms': progressTimeout,
  'state.topic': stateTopic,
});

const ACCOUNTS = {
  'connector.class': z.literal('ventia.AccountsSink'),
  ...sink('ventia.tenants', 'ventia-cdc-accounts', 'Topics of tenants.'),
  'inactive.suspends': key(flag(), true, 'An inactive tenant suspends its account.'),
  'include.platform.tenants': key(flag(), true, 'Tenants with is_platform get an account too.'),
};

const CONTACTS = {
  'connector.class': z.literal('ventia.ContactsSink'),
  ...sink('ventia.orders', 'ventia-cdc-contacts', 'Topics of orders.'),
  'uncounted.statuses': key(list(anyWord), 'Cancelado', 'Orders of these statuses do not count in total_orders.'),
  'total.orders.mode': key(
    choice('count', 'source'),
    'count',
    'count = distinct orders seen; source = the count that came with the newest order, where one did.',
  ),
  'identity.precedence': key(
    choice('phone', 'email'),
    'phone',
    "Which key decides when an order's phone and e-mail lead to different contacts.",
  ),
  landlines: key(
    flag(),
    false,
    'Landlines are phones, too: they identify people, and are written into the column that routes messages.',
  ),
  'email.blocklist': key(list(anyWord), '', 'Addresses or domains that identify nobody.'),
  'customer.id.blocklist': key(list(anyWord), '', 'Customer ids that identify nobody, such as a walk-in customer.'),
};

/** Keys of each connector class, for documentation and suggestions. */
export const CONNECTOR_CLASSES = {
  'ventia.PostgresSource': SOURCE,
  'ventia.AccountsSink': ACCOUNTS,
  'ventia.ContactsSink': CONTACTS,
} as const;

const source = z
  .strictObject(SOURCE)
  .superRefine((keys, context) => {
    const tables = keys['table.include.list'].map(tableOf);
    if (tables.length === 0) {
      context.addIssue({ code: 'custom', path: ['table.include.list'], message: 'at least one table' });
    }
    if (new Set(tables).size < tables.length) {
      context.addIssue({ code: 'custom', path: ['table.include.list'], message: 'tables of different names' });
    }
    if (Object.keys(keys.topics).some((table) => !tables.includes(table))) {
      context.addIssue({ code: 'custom', path: ['topics'], message: 'only tables of table.include.list' });
    }
  })
  .transform((keys) => ({
    kind: 'source' as const,
    tables: keys['table.include.list'].map((name): SourceTable => {
      const table = tableOf(name);
      const schema = name.slice(0, name.indexOf('.'));
      return { schema, table, topic: keys.topics[table] ?? `${keys['topic.prefix']}.${table}` };
    }),
    slotName: keys['slot.name'],
    publicationName: keys['publication.name'],
    publicationColumns: keys['publication.columns'],
    schemaProfile: keys['schema.profile'],
    snapshotMode: keys['snapshot.mode'],
    snapshotChunkRows: keys['snapshot.chunk.rows'],
    errorsPolicy: keys['errors.policy'],
    deadLetterTopic: keys['errors.deadletterqueue.topic.name'],
    /** Null = by the topics' in-sync replicas. */
    confirmTrailMs: keys['confirm.trail.ms'],
    maxBatchBytes: keys['max.batch.bytes'],
    progressTimeoutMs: keys['progress.timeout.ms'],
    partitions: keys.partitions,
    /** Null = by the number of brokers. */
    replicationFactor: keys['replication.factor'],
    stateTopic: keys['state.topic'],
  }));

const tableOf = (name: string) => name.slice(name.indexOf('.') + 1);

const accounts = z.strictObject(ACCOUNTS).transform((keys) => ({
  kind: 'accounts' as const,
  ...sinkConfig(keys),
  inactiveSuspends: keys['inactive.suspends'],
  includePlatformTenants: keys['include.platform.tenants'],
}));

const contacts = z.strictObject(CONTACTS).transform((keys) => ({
  kind: 'contacts' as const,
  ...sinkConfig(keys),
  uncountedStatuses: keys['uncounted.statuses'],
  totalOrdersMode: keys['total.orders.mode'],
  identityPrecedence: keys['identity.precedence'],
  landlines: keys.landlines,
  emailBlocklist: keys['email.blocklist'],
  customerIdBlocklist: keys['customer.id.blocklist'],
}));

function sinkConfig(keys: z.output<z.ZodObject<ReturnType<typeof sink>>>) {
  return {
    topics: keys.topics,
    consumerGroup: keys['consumer.group'],
    messagingSchema: keys['messaging.schema'],
    batchMaxRecords: keys['batch.max.records'],
    progressTimeoutMs: keys['progress.timeout.ms'],
    stateTopic: keys['state.topic'],
  };
}

/** A connector file: Kafka Connect's form, `{"name": …, "config": {"connector.class": …, "flat.key": …}}`. */
export const connectorFile = z.strictObject(
  {
    $schema: z.string().optional(),
    name: anyName.meta({ description: 'Unique among the connectors; also the name in commands, metrics and status.' }),
    config: z.discriminatedUnion('connector.class', [source, accounts, contacts], {
      error: ({ code }) =>
        code === 'invalid_union' ? `one of ${Object.keys(CONNECTOR_CLASSES).join(', ')}` : 'an object of flat keys',
    }),
  },
  { error: 'an object with name and config' },
);

export type SourceConfig = { readonly name: string } & Readonly<z.output<typeof source>>;
export type AccountsSinkConfig = { readonly name: string } & Readonly<z.output<typeof accounts>>;
export type ContactsSinkConfig = { readonly name: string } & Readonly<z.output<typeof contacts>>;
export type ConnectorConfig = SourceConfig | AccountsSinkConfig | ContactsSinkConfig;
