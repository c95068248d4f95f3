import type { Column } from '../core/tuple';
import type { ColumnWriter } from './column-writer';
import type { AvroKind, FieldType } from './contract';
import * as datetime from './datetime';
import * as floats from './floats';
import * as integers from './integers';
import * as numeric from './numeric';
import * as text from './text';

/** How a column's values become Avro. */
export interface Reading {
  readonly text: ColumnWriter;
  /** Null where only PostgreSQL's text form is understood. */
  readonly binary: ColumnWriter | null;
  /** Bytes that the writers may need beside the value's own. */
  readonly room: number;
}

/** Union index, length, and what a value of a few bytes may grow by: a uuid from 16 bytes to 36, a flag to a long. */
const ROOM = 24;
/** A binary numeric of ten bytes can stand for 131,072 digits before the point and 16,383 after it, and lie about that. */
const NUMERIC_ROOM = 200_000;

/** OIDs of PostgreSQL's built-in types, fixed for ever (pg_type.dat). */
export const OID = {
  bool: 16,
  bytea: 17,
  name: 19,
  int8: 20,
  int2: 21,
  int4: 23,
  text: 25,
  json: 114,
  float4: 700,
  float8: 701,
  bpchar: 1042,
  varchar: 1043,
  date: 1082,
  time: 1083,
  timestamp: 1114,
  timestamptz: 1184,
  numeric: 1700,
  uuid: 2950,
  jsonb: 3802,
} as const;

const reading = (fromText: ColumnWriter, fromBinary: ColumnWriter | null, room = ROOM): Reading => ({
  text: fromText,
  binary: fromBinary,
  room,
});

const AS_TEXT = reading(text.stringFromText, text.stringFromText);
const UUID = reading(text.uuidFromText, text.uuidFromBinary);
const TIMESTAMP = reading(datetime.timestampFromText, datetime.timestampFromBinary);
const INTEGER_TEXT = reading(text.stringFromText, integers.stringFromInteger);

/**
 * The type table: which Avro types a column may have in the contract. Never one that loses something: numeric is no
 * double, a time is no string (its text depends on the session).
 */
const TABLE: ReadonlyMap<number, Partial<Record<AvroKind, Reading>>> = new Map([
  [OID.bool, { boolean: reading(integers.boolFromText, integers.boolFromBinary) }],
  [
    OID.int2,
    {
      int: reading(integers.intFromText, integers.longFromInt2),
      long: reading(integers.longFromText, integers.longFromInt2),
      string: INTEGER_TEXT,
    },
  ],
  [
    OID.int4,
    {
      int: reading(integers.intFromText, integers.longFromInt4),
      long: reading(integers.longFromText, integers.longFromInt4),
      string: INTEGER_TEXT,
    },
  ],
  [OID.int8, { long: reading(integers.longFromText, integers.longFromInt8), string: INTEGER_TEXT }],
  [
    OID.float4,
    {
      float: reading(floats.floatFromText, floats.floatFromBinary),
      double: reading(floats.doubleFromFloat4Text, floats.doubleFromFloat4Binary),
    },
  ],
  [OID.float8, { double: reading(floats.doubleFromText, floats.doubleFromBinary) }],
  [OID.numeric, { string: reading(text.stringFromText, numeric.stringFromNumeric, NUMERIC_ROOM) }],
  [OID.text, { string: AS_TEXT }],
  [OID.varchar, { string: AS_TEXT }],
  [OID.bpchar, { string: AS_TEXT }],
  [OID.name, { string: AS_TEXT }],
  [OID.json, { string: AS_TEXT }],
  [OID.jsonb, { string: reading(text.stringFromText, text.stringFromJsonb) }],
  [OID.uuid, { uuid: UUID, string: UUID }],
  [OID.bytea, { bytes: reading(text.bytesFromText, text.bytesFromBinary) }],
  [OID.date, { date: reading(datetime.dateFromText, datetime.dateFromBinary) }],
  [OID.time, { 'time-micros': reading(datetime.timeFromText, datetime.timeFromBinary) }],
  [OID.timestamp, { 'timestamp-micros': TIMESTAMP, 'local-timestamp-micros': TIMESTAMP }],
  [OID.timestamptz, { 'timestamp-micros': TIMESTAMP }],
]);

/**
 * All others, built-in or not (enum, citext, inet, interval, timetz, arrays, ranges, domains, extensions): PostgreSQL's own
 * text, as a string, and only in text mode.
 */
const OTHERS: Partial<Record<AvroKind, Reading>> = { string: reading(text.stringFromText, null) };

/** Null when the column does not fit the type. */
export function readingFor(column: Pick<Column, 'typeOid' | 'typeModifier'>, type: FieldType): Reading | null {
  if (type.kind === 'decimal') return column.typeOid === OID.numeric ? decimalReading(column.typeModifier, type) : null;
  return (TABLE.get(column.typeOid) ?? OTHERS)[type.kind] ?? null;
}

/** A declared numeric must fit as a whole; of an undeclared one each value is looked at. */
function decimalReading(typeModifier: number, { precision, scale }: FieldType): Reading | null {
  if (typeModifier >= 4) {
    const declaredPrecision = ((typeModifier - 4) >> 16) & 0xffff;
    // 11 bits, signed since PostgreSQL 15.
    const declaredScale = (((typeModifier - 4) & 0x7ff) ^ 1024) - 1024;
    if (declaredScale > scale || declaredPrecision - declaredScale > precision - scale) return null;
  }
  return reading(
    numeric.decimalFromText(precision, scale),
    numeric.decimalFromBinary(precision, scale),
    ROOM + precision,
  );
}
