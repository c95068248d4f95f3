import { CdcError } from '../core/errors';

/**
 * The contract of a table: which of its columns may reach Kafka, in which order, as which Avro type, and what they mean.
 * A column that is not in it never leaves the source (Invariant 8).
 *
 * A contract file is an ordinary Avro schema (`.avsc`) of the row, a record named `Value`, with three attributes more:
 * `table` and `tenant` at the record (the source's table without schema; the column that names whose row it is), and
 * `optional: true` at a field whose column need not exist. They stay in the file; the registry gets plain Avro.
 */
export interface Contract extends ContractFile {
  /** PostgreSQL schema of the table. */
  readonly schema: string;
  readonly topic: string;
}

export interface ContractFile {
  /** For messages. */
  readonly file: string;
  readonly table: string;
  readonly tenantColumn: string;
  readonly namespace: string;
  readonly doc: string;
  /** The first is the key. */
  readonly fields: readonly ContractField[];
}

export interface ContractField {
  readonly name: string;
  readonly type: FieldType;
  readonly doc: string;
  /** The table may be without it; the field is null then. */
  readonly optional: boolean;
}

export type AvroKind =
  | 'boolean'
  | 'int'
  | 'long'
  | 'float'
  | 'double'
  | 'string'
  | 'bytes'
  | 'uuid'
  | 'date'
  | 'time-micros'
  | 'timestamp-micros'
  | 'local-timestamp-micros'
  | 'decimal';

export interface FieldType {
  readonly kind: AvroKind;
  /** Decimal only, else 0: digits in all, and after the point. */
  readonly precision: number;
  readonly scale: number;
}

export const KEY_COLUMN = 'id';

const PRIMITIVES: ReadonlySet<string> = new Set(['boolean', 'int', 'long', 'float', 'double', 'string', 'bytes']);

/** Underlying primitive of each logical type. */
const LOGICAL: ReadonlyMap<string, string> = new Map([
  ['uuid', 'string'],
  ['date', 'int'],
  ['time-micros', 'long'],
  ['timestamp-micros', 'long'],
  ['local-timestamp-micros', 'long'],
  ['decimal', 'bytes'],
]);

/** The field's type as Avro JSON, without the union with null. */
export function typeJson(type: FieldType): unknown {
  const primitive = LOGICAL.get(type.kind);
  if (primitive === undefined) return type.kind;
  if (type.kind !== 'decimal') return { type: primitive, logicalType: type.kind };
  return { type: primitive, logicalType: type.kind, precision: type.precision, scale: type.scale };
}

export const isNullable = (field: ContractField): boolean => field.name !== KEY_COLUMN;

/** Throws CdcError `contract_invalid` that names the file and, where there is one, the field. */
export function parseContract(text: string, file: string): ContractFile {
  const fail = (what: string, cause?: unknown): never => {
    throw new CdcError('contract_invalid', `${file}: ${what}`, cause === undefined ? {} : { cause });
  };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    fail('not JSON', error);
  }
  const record = isObject(json) ? json : fail('not a JSON object');
  if (record.type !== 'record' || record.name !== 'Value') fail('must be a record named "Value"');
  const word = (attribute: string, value: unknown, form: RegExp): string =>
    typeof value === 'string' && form.test(value) ? value : fail(`"${attribute}" is missing or malformed`);
  const contract: ContractFile = {
    file,
    table: word('table', record.table, /^.+$/),
    tenantColumn: word('tenant', record.tenant, NAME),
    namespace: word('namespace', record.namespace, NAMESPACE),
    doc: word('doc', record.doc, /\S/),
    fields: (Array.isArray(record.fields) ? record.fields : fail('"fields" must be a list')).map((field, i) =>
      parseField(field, i, fail),
    ),
  };
  const names = contract.fields.map((field) => field.name);
  for (const [i, name] of names.entries()) if (names.indexOf(name) < i) fail(`field ${name}: appears twice`);
  if (names[0] !== KEY_COLUMN) fail(`the first field must be the key, "${KEY_COLUMN}"`);
  const tenant = contract.fields.find((field) => field.name === contract.tenantColumn);
  if (!tenant) return fail(`"tenant" names no field: ${contract.tenantColumn}`);
  if (!isId(tenant.type) || tenant.optional)
    fail(`field ${tenant.name}: the tenant must be a uuid or a long, not optional`);
  return contract;
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const NAMESPACE = /^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$/;

type Fail = (what: string) => never;

function parseField(json: unknown, index: number, failFile: Fail): ContractField {
  const field = isObject(json) ? json : failFile(`field ${index + 1}: not a JSON object`);
  const { name, doc, optional = false } = field;
  if (typeof name !== 'string' || !NAME.test(name)) return failFile(`field ${index + 1}: "name" must be an Avro name`);
  const fail = (what: string): never => failFile(`field ${name}: ${what}`);
  if (typeof doc !== 'string' || doc.trim() === '') return fail('"doc" must say what the column means');
  if (typeof optional !== 'boolean') return fail('"optional" must be true or false');
  if (name === KEY_COLUMN) {
    const type = parseType(field.type, fail);
    if (!isId(type) || 'default' in field || optional) fail('the key must be a plain uuid or long, without default');
    return { name, type, doc, optional };
  }
  const union = field.type;
  if (!Array.isArray(union) || union.length !== 2 || union[0] !== 'null' || field.default !== null)
    return fail('must be ["null", type] with "default": null, so that evolution is always compatible');
  return { name, type: parseType(union[1], fail), doc, optional };
}

function parseType(json: unknown, fail: Fail): FieldType {
  if (typeof json === 'string')
    return PRIMITIVES.has(json) ? { kind: json as AvroKind, precision: 0, scale: 0 } : fail(`unknown type "${json}"`);
  if (!isObject(json)) return fail('"type" is malformed');
  const { type: primitive, logicalType, precision = 0, scale = 0 } = json;
  if (typeof logicalType !== 'string' || LOGICAL.get(logicalType) !== primitive)
    return fail('the logical type is unknown, or on the wrong primitive');
  if (logicalType !== 'decimal') return { kind: logicalType as AvroKind, precision: 0, scale: 0 };
  if (!isCount(precision) || !isCount(scale) || precision < 1 || precision > 1000 || scale > precision)
    return fail('a decimal needs precision (1 to 1000) and scale (0 to precision)');
  return { kind: 'decimal', precision, scale };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isCount = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0;
const isId = (type: FieldType): boolean => type.kind === 'uuid' || type.kind === 'long';
