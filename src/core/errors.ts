/**
 * The one table of errors, which is also the manual: what it means, whether it mends itself, what to do.
 *
 * Codes are never reused. Retry says who acts: `timed` = we try again by ourselves with backoff; `manual` = the process
 * stays alive, not ready, and goes on once somebody has mended the cause; `never` = the command ends.
 */
export type Retry = 'timed' | 'manual' | 'never';

export interface ErrorSpec {
  readonly code: `CDC-${number}`;
  readonly retry: Retry;
  /** What it means, one sentence. */
  readonly meaning: string;
  /** What to do, a command where there is one. */
  readonly fix: string;
}

const spec = (code: ErrorSpec['code'], retry: Retry, meaning: string, fix: string): ErrorSpec => ({
  code,
  retry,
  meaning,
  fix,
});

export const ERRORS = {
  // 1xx: what the user gave us
  usage: spec('CDC-100', 'never', 'The command line is not understood.', 'ventia-cdc --help'),
  settings_invalid: spec(
    'CDC-101',
    'never',
    'A setting in the environment is missing or malformed.',
    'Correct the variables listed; docs/configuration.md explains each.',
  ),
  connector_invalid: spec(
    'CDC-102',
    'never',
    'A connector file is missing or malformed.',
    'Correct the keys listed; connectors/connector.schema.json describes the file.',
  ),
  port_taken: spec(
    'CDC-103',
    'never',
    'The HTTP port is in use by another process.',
    'Set HTTP_PORT to a free port, or 0 to take any.',
  ),
  tool_missing: spec(
    'CDC-104',
    'never',
    'A program this command needs is not installed.',
    'Install it, or use docker compose.',
  ),
  confirmation_needed: spec(
    'CDC-105',
    'never',
    'The command changes something and nobody confirmed it.',
    'Add --yes, or look first with --dry-run.',
  ),
  stack_failed: spec(
    'CDC-106',
    'never',
    'A server of the development stack did not start.',
    'Read its log; ventia-cdc dev --reset starts with empty data.',
  ),
  tenant_unknown: spec(
    'CDC-107',
    'never',
    'Nothing is known of the tenant.',
    'Give the id that the tenant has in Ventia; if it is right, wait until the sinks have caught up.',
  ),
  snapshot_where: spec(
    'CDC-108',
    'never',
    'The condition of a snapshot cannot be used.',
    "Correct --where: one condition on the table's own columns, as after WHERE.",
  ),
  snapshot_unknown: spec('CDC-109', 'never', 'There is no such snapshot.', 'ventia-cdc snapshot list'),
  snapshot_refused: spec(
    'CDC-110',
    'never',
    'A snapshot cannot be asked for, or not be steered like this, as things are.',
    'ventia-cdc snapshot list',
  ),
  snapshot_failed: spec(
    'CDC-111',
    'never',
    'A snapshot that was asked for did not come to its end.',
    'ventia-cdc snapshot list shows why.',
  ),

  // 2xx: the source database
  source_unreachable: spec(
    'CDC-200',
    'timed',
    'The source database does not answer.',
    'Check VENTIA_SOURCE_URL and that the server runs; the service tries again by itself.',
  ),
  source_refused: spec(
    'CDC-201',
    'manual',
    'The source database refused the login.',
    'Check user, password and pg_hba.conf for VENTIA_SOURCE_URL.',
  ),
  replication_right_missing: spec(
    'CDC-202',
    'manual',
    'The source role may not replicate.',
    'ALTER ROLE <role> REPLICATION;',
  ),
  wal_level: spec(
    'CDC-203',
    'manual',
    'The source server does not write logical WAL.',
    "ALTER SYSTEM SET wal_level = 'logical'; then restart PostgreSQL.",
  ),
  source_version: spec(
    'CDC-204',
    'manual',
    'The source server is older than PostgreSQL 15.',
    'Upgrade the source to PostgreSQL 15 or newer.',
  ),
  publication_missing: spec('CDC-205', 'manual', 'The publication does not exist.', 'ventia-cdc setup'),
  publication_incomplete: spec(
    'CDC-206',
    'manual',
    'A table of the contract is not in the publication, or only in part.',
    'ventia-cdc setup',
  ),
  table_missing: spec(
    'CDC-207',
    'manual',
    'A table of the contract does not exist in the source.',
    'Create the table, or correct table.include.list in the connector file.',
  ),
  contract_column_missing: spec(
    'CDC-208',
    'manual',
    'A column of the contract disappeared from its table.',
    'Restore the column, or remove its field from the contract file and run ventia-cdc setup: docs/operations.md.',
  ),
  replica_identity: spec(
    'CDC-209',
    'manual',
    'The replica identity does not carry what deletes must say.',
    'ventia-cdc setup',
  ),
  slot_missing: spec(
    'CDC-210',
    'manual',
    'The replication slot does not exist, although changes were captured before.',
    'ventia-cdc repair slot',
  ),
  slot_active: spec(
    'CDC-211',
    'timed',
    'Another process holds the replication slot; this one stands by.',
    'Nothing to do: it takes over when the other ends.',
  ),
  slot_lost: spec('CDC-212', 'manual', 'The replication slot lost WAL it still needed.', 'ventia-cdc repair slot'),
  slot_foreign: spec(
    'CDC-213',
    'manual',
    'The slot is not ours: another plugin, database or kind.',
    'Drop or rename it, or set slot.name in the connector file.',
  ),
  source_forked: spec(
    'CDC-214',
    'manual',
    'The source is another cluster or timeline than the one captured before.',
    'ventia-cdc repair slot',
  ),
  stream_broken: spec(
    'CDC-215',
    'timed',
    'The replication connection ended.',
    'Nothing to do: it reconnects from the confirmed position.',
  ),
  stream_silent: spec('CDC-216', 'timed', 'The replication connection went silent.', 'Nothing to do: it is replaced.'),
  protocol: spec(
    'CDC-217',
    'manual',
    'A replication message could not be understood.',
    'Report it with the code and the server version.',
  ),
  source_permission: spec(
    'CDC-218',
    'manual',
    'The source role lacks a right.',
    'ventia-cdc setup --dry-run prints the grants.',
  ),
  source_query: spec(
    'CDC-219',
    'timed',
    'A statement on the source failed.',
    'The message names the cause; the service tries again by itself.',
  ),
  slot_not_created: spec(
    'CDC-220',
    'manual',
    'Nothing was set up yet: the replication slot does not exist.',
    'ventia-cdc setup',
  ),
  slot_replaced: spec(
    'CDC-221',
    'manual',
    'The replication slot was re-created or advanced by somebody else: changes are missing.',
    'ventia-cdc repair slot',
  ),
  source_standby: spec(
    'CDC-222',
    'timed',
    'The source server is a stand-by, which cannot be captured.',
    'Let VENTIA_SOURCE_URL lead to the primary; the service tries again by itself.',
  ),
  source_key: spec(
    'CDC-223',
    'manual',
    'The key column of a table is not unique by itself: rows would take the place of others.',
    'CREATE UNIQUE INDEX CONCURRENTLY on the key column, or correct the key in the contract.',
  ),
  text_needed: spec(
    'CDC-224',
    'timed',
    "A type of the contract's columns is not understood in binary form.",
    'Nothing to do: it reconnects and asks for text.',
  ),
  slot_at_risk: spec(
    'CDC-225',
    'timed',
    'The server is about to remove WAL that the replication slot still needs.',
    'Let capture run and catch up, or raise max_slot_wal_keep_size: ALTER SYSTEM SET …; SELECT pg_reload_conf();',
  ),
  table_changed: spec(
    'CDC-226',
    'timed',
    'A table was not published all the time, made anew or rewritten: changes may be missing.',
    'Nothing to do: the table is loaded again.',
  ),

  // 3xx: Kafka
  kafka_unreachable: spec(
    'CDC-300',
    'timed',
    'Kafka does not answer.',
    'Check KAFKA_BROKERS and that the brokers run; the service tries again by itself.',
  ),
  kafka_refused: spec(
    'CDC-301',
    'manual',
    'Kafka refused the login or a right is missing.',
    'Check KAFKA_SASL_* and the ACLs.',
  ),
  topic_missing: spec('CDC-302', 'manual', 'A topic does not exist.', 'ventia-cdc setup'),
  partitions_changed: spec(
    'CDC-303',
    'manual',
    'The number of partitions is not the one recorded: a tenant would no longer be in one partition.',
    'With more than recorded: ventia-cdc setup --repartition <the new number>. With fewer the topic was made anew, and what it held is gone.',
  ),
  fenced: spec(
    'CDC-304',
    'timed',
    'A newer writer took over; this one writes nothing any more.',
    'Nothing to do: it stands by.',
  ),
  produce_failed: spec(
    'CDC-305',
    'timed',
    'Kafka did not acknowledge a write; whether it is there will be read from the topics.',
    'Nothing to do: a new writer continues after what the topics hold.',
  ),
  record_too_large: spec(
    'CDC-306',
    'manual',
    'A record is larger than its topic admits.',
    'Raise max.message.bytes of the topic, or set errors.policy to dead-letter.',
  ),
  consumer_failed: spec(
    'CDC-307',
    'timed',
    'The Kafka consumer ended.',
    'Nothing to do: it is rebuilt and continues at the committed offset.',
  ),
  topic_settings: spec('CDC-308', 'manual', 'A topic is not set up as the pipeline needs it.', 'ventia-cdc setup'),
  repartitioning: spec(
    'CDC-309',
    'timed',
    'The number of partitions is being raised: capture waits until the sinks have applied everything.',
    'Nothing to do while ventia-cdc setup --repartition runs; if it was broken off, run it again.',
  ),
  not_drained: spec(
    'CDC-310',
    'manual',
    'A sink does not get to the end of its topics, so that nothing may be moved between partitions.',
    'Start the sinks (ventia-cdc run), wait until they have caught up, and try again.',
  ),
  state_newer: spec(
    'CDC-311',
    'manual',
    'The state topic was written by a newer release, which this one does not understand.',
    'Run the newer release of ventia-cdc, or the one before it.',
  ),

  // 4xx: schema registry and records
  registry_unreachable: spec(
    'CDC-400',
    'timed',
    'The schema registry does not answer.',
    'Check SCHEMA_REGISTRY_URL and that the registry runs; the service tries again by itself.',
  ),
  registry_refused: spec(
    'CDC-401',
    'manual',
    'The schema registry refused the request.',
    'Check SCHEMA_REGISTRY_USERNAME and _PASSWORD.',
  ),
  schema_incompatible: spec(
    'CDC-402',
    'manual',
    'The registry refuses the contract as incompatible with an earlier version.',
    'Make the change compatible (nullable with default null), or use a new topic.',
  ),
  schema_unknown: spec(
    'CDC-403',
    'timed',
    'A record names a schema id the registry does not know.',
    'Restore the registry; its storage must survive restarts.',
  ),
  contract_invalid: spec(
    'CDC-404',
    'never',
    'A contract file is malformed.',
    'Correct the file; schemas/avro holds the originals.',
  ),
  contract_type: spec(
    'CDC-405',
    'manual',
    "A column's type does not fit the contract.",
    'Change the column back; docs/operations.md says how it gets another type.',
  ),
  unencodable: spec(
    'CDC-406',
    'manual',
    'A value cannot be written as its contract type.',
    'Correct the row, or set errors.policy to dead-letter.',
  ),
  record_malformed: spec(
    'CDC-407',
    'manual',
    "A record in a topic is not of the pipeline's form.",
    'Find who else writes to the topic.',
  ),
  unchanged_unavailable: spec(
    'CDC-408',
    'manual',
    'A row moved, and a large value it did not touch is not in the WAL, because the replica identity is not FULL.',
    'ventia-cdc repair table, as the message says; REPLICA IDENTITY FULL keeps it from happening again.',
  ),
  setup_needed: spec('CDC-409', 'manual', 'The contract was never registered.', 'ventia-cdc setup'),

  // 5xx: the messaging database
  messaging_unreachable: spec(
    'CDC-500',
    'timed',
    'The messaging database does not answer.',
    'Check MESSAGING_URL and that the server runs; the service tries again by itself.',
  ),
  messaging_refused: spec(
    'CDC-501',
    'manual',
    'The messaging database refused the login.',
    'Check user, password and pg_hba.conf for MESSAGING_URL.',
  ),
  messaging_schema: spec(
    'CDC-502',
    'manual',
    'The messaging database lacks a table or column the sinks need.',
    "Run messaging's migrations, or correct messaging.schema in the connector file.",
  ),
  ledger_missing: spec(
    'CDC-503',
    'manual',
    'The ledger schema does not exist or is of another version.',
    'ventia-cdc setup',
  ),
  messaging_permission: spec(
    'CDC-504',
    'manual',
    'The sink role lacks a right in the messaging database.',
    'ventia-cdc setup --dry-run prints the grants.',
  ),
  messaging_conflict: spec('CDC-505', 'timed', 'A concurrent write won; the batch is decided again.', 'Nothing to do.'),
  messaging_query: spec(
    'CDC-506',
    'timed',
    'A statement on the messaging database failed.',
    'The message names the cause; the service tries again by itself.',
  ),
  poison_order: spec(
    'CDC-507',
    'manual',
    'One order cannot be materialized; it was set aside and the others went on.',
    'See its reason in cdc.dead_letter.',
  ),
  privacy_key: spec(
    'CDC-508',
    'manual',
    'Persons were erased under another PRIVACY_KEY than this process has: it could not keep them erased.',
    'Set PRIVACY_KEY to the key of the erasures, in all processes that run sinks, and start again.',
  ),

  // 9xx: ourselves
  internal: spec(
    'CDC-900',
    'timed',
    'An unexpected error.',
    'Report it with the log lines around it; the service tries again by itself.',
  ),
  setup_lock: spec(
    'CDC-901',
    'timed',
    'Set-up could not get a lock in time; the application goes first.',
    'Run ventia-cdc setup again when the long transaction has ended.',
  ),
  progress_stopped: spec(
    'CDC-902',
    'timed',
    'Something waits to be done, and nothing moves.',
    'The message names who is waited for; it goes on by itself when that one does.',
  ),
} as const satisfies Record<string, ErrorSpec>;

export type ErrorKind = keyof typeof ERRORS;

export interface ErrorContext {
  /** Overrides the table's fix where a more exact command is known. */
  readonly fix?: string;
  readonly cause?: unknown;
  /** PostgreSQL's SQLSTATE, where one was given. */
  readonly sqlState?: string;
}

/**
 * The only error that crosses a module's border. The message says what happened and holds no row value, key or secret
 * (Invariant 7).
 */
export class CdcError extends Error {
  readonly kind: ErrorKind;
  readonly code: ErrorSpec['code'];
  readonly retry: Retry;
  readonly fix: string;
  readonly sqlState: string | undefined;

  constructor(kind: ErrorKind, what: string, context: ErrorContext = {}) {
    super(what, context.cause === undefined ? undefined : { cause: context.cause });
    const entry = ERRORS[kind];
    this.name = 'CdcError';
    this.kind = kind;
    this.code = entry.code;
    this.retry = entry.retry;
    this.fix = context.fix ?? entry.fix;
    this.sqlState = context.sqlState;
  }
}

/** Anything thrown becomes a CdcError; what is none yet is `internal` and keeps its cause. */
export function toCdcError(error: unknown): CdcError {
  if (error instanceof CdcError) return error;
  return new CdcError('internal', error instanceof Error ? error.message : String(error), { cause: error });
}
