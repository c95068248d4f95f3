import { type Contract, isNullable, KEY_COLUMN, typeJson } from './contract';

/** What the registry is given for a contract. The text is a function of the contract alone, so that an unchanged contract keeps its ids. */
export interface Schemas {
  readonly key: string;
  readonly value: string;
}

export function schemasOf(contract: Contract): Schemas {
  return { key: JSON.stringify(keySchema(contract)), value: JSON.stringify(valueSchema(contract)) };
}

/** `{id}`; the only part of a record that compaction sees. */
export function keySchema(contract: Contract): object {
  const key = contract.fields[0]!;
  return record(contract.namespace, 'Key', `Primary key of ${contract.table}.`, [
    field(KEY_COLUMN, typeJson(key.type), key.doc),
  ]);
}

/** The envelope around the row: field names are Debezium's, so that its consumers can read it. */
export function valueSchema(contract: Contract): object {
  const { namespace } = contract;
  const row = record(
    namespace,
    'Value',
    contract.doc,
    contract.fields.map((f) =>
      isNullable(f) ? nullable(f.name, typeJson(f.type), f.doc) : field(f.name, typeJson(f.type), f.doc),
    ),
  );
  return record(namespace, 'Envelope', `One change of a row of ${contract.table}.`, [
    nullable(
      'before',
      row,
      'The row before; what the replica identity gives of it. Null for c and r, and where the identity did not change.',
    ),
    nullable('after', `${namespace}.Value`, 'The row after. Null for d and t.'),
    field(
      'source',
      record(namespace, 'Source', 'Where and when the change happened.', SOURCE_FIELDS),
      'Where and when the change happened.',
    ),
    field('op', 'string', 'c = insert, u = update, d = delete, r = read by a first load or repair, t = truncate.'),
    field('ts_ms', 'long', 'When the service processed the change: milliseconds since 1970 UTC.'),
    field('ts_us', 'long', 'The same in microseconds.'),
    nullable('transaction', TRANSACTION, 'Always null; there because Debezium has it.'),
    nullable(
      'unchanged',
      { type: 'array', items: 'string' },
      'Columns that are null in after only because PostgreSQL did not send their large, unchanged value: keep what you have. Null = none.',
    ),
  ]);
}

const SOURCE_FIELDS = [
  field('version', 'string', 'Version of the service.'),
  field('connector', 'string', 'Kind of connector.'),
  field('name', 'string', 'Name of the connector.'),
  field('ts_ms', 'long', 'Commit time: milliseconds since 1970 UTC.'),
  field('ts_us', 'long', 'Commit time: microseconds since 1970 UTC.'),
  nullable('snapshot', 'string', 'Null = streamed; first, incremental or repair = read from the table.'),
  field('db', 'string', 'Database.'),
  field('schema', 'string', "The table's schema."),
  field('table', 'string', 'Table.'),
  nullable('txId', 'long', 'Transaction id, 32 bits unsigned; null for rows read from the table.'),
  field('lsn', 'long', 'WAL position of the row change. Neither unique nor ordered across transactions.'),
  nullable(
    'sequence',
    'string',
    'JSON list of commit_lsn and lsn as decimal strings; orders the changes of one epoch.',
  ),
  field('commit_lsn', 'long', "WAL position of the transaction's commit record; second part of the change's position."),
  field('seq', 'long', 'Ordinal in the transaction, from 0; third part of the position.'),
  field('epoch', 'long', "Grows when the source's history forks; first part of the position."),
];

const TRANSACTION = record('event', 'block', "Debezium's transaction metadata.", [
  field('id', 'string', 'Transaction.'),
  field('total_order', 'long', 'Ordinal among all events of the transaction.'),
  field('data_collection_order', 'long', 'Ordinal among the events of this table.'),
]);

function record(namespace: string, name: string, doc: string, fields: readonly object[]): object {
  return { type: 'record', name, namespace, doc, fields };
}

function field(name: string, type: unknown, doc: string): object {
  return { name, type, doc };
}

function nullable(name: string, type: unknown, doc: string): object {
  return { name, type: ['null', type], default: null, doc };
}
