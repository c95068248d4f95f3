import type { Op } from '../core/change';
import { CdcError, toCdcError } from '../core/errors';
import type { Lsn } from '../core/lsn';
import { partitionOf } from '../core/partition';
import type { RowEncoder, TransactionStamp } from '../core/ports/encoding';
import type { Slab } from '../core/slab';
import {
  KIND_BINARY,
  KIND_NULL,
  KIND_TEXT,
  KIND_UNCHANGED,
  type Relation,
  sameColumn,
  type Tuple,
} from '../core/tuple';
import { type ColumnWriter, unencodable } from './column-writer';
import { formatInteger } from './integers';
import { writeLong, writeVarint } from './long';
import type { SourceBlock } from './source-block';
import { avroString, copyBytes, formatUuid, stringFromText } from './text';
import type { Reading } from './type-table';

/** One field of the contract, bound to the relation's column. The first of a list is the key. */
export interface CompiledField {
  readonly name: string;
  /** Index in the tuple; -1 = the table has no such column. */
  readonly column: number;
  readonly reading: Reading;
}

export interface CompiledRelation {
  readonly topic: string;
  readonly relation: Relation;
  readonly lacksIdentity: CdcError | null;
  readonly fields: readonly CompiledField[];
  /** Index of the tenant among the fields. */
  readonly tenant: number;
  /** Whether the id is a uuid, else an integer. */
  readonly uuidKey: boolean;
  readonly uuidTenant: boolean;
  readonly keySchemaId: number;
  readonly valueSchemaId: number;
  readonly source: SourceBlock;
}

const NULL_BRANCH = 0;
const VALUE_BRANCH = 2;
const NIL_UUID = Buffer.from('00000000-0000-0000-0000-000000000000');
/** Header, union indexes, op and what else stands between the parts. */
const FRAME_ROOM = 32;
const SMALL_BUFFER = 64 * 1024;

/**
 * The row path's encoder: bytes of the tuple to bytes of Avro, by a list of fields whose writers were chosen when the
 * relation was compiled. Nothing is allocated, looked up by name or decoded to a JavaScript value on the way.
 *
 * Key, envelope and partition of an order of 12 columns take 0.65-0.75 us, of 19 columns 0.8-0.9 us, most of it copying
 * bytes (test/bench/avro.ts). Code generated per relation was tried: it gained a tenth, which is not worth reading it.
 */
export class AvroRowEncoder implements RowEncoder {
  readonly topic: string;
  readonly table: string;
  readonly relation: Relation;
  readonly lacksIdentity: CdcError | null;
  private readonly fields: readonly CompiledField[];
  /** Of each field: its column in the tuple, its writers, its name as an Avro string (for `unchanged`). */
  private readonly columns: Int32Array;
  private readonly texts: readonly ColumnWriter[];
  private readonly binaries: readonly ColumnWriter[];
  private readonly names: readonly Buffer[];
  /** Index among the fields, and in the tuple. */
  private readonly tenant: number;
  private readonly tenantColumn: number;
  private readonly uuidKey: boolean;
  private readonly uuidTenant: boolean;
  private readonly keyHeader: Buffer;
  private readonly valueHeader: Buffer;
  private readonly source: SourceBlock;
  /** What a row may need beside its values' own bytes. */
  private readonly room: number;
  private readonly keyRoom: number;
  /** An id as text. */
  private readonly scratch = Buffer.alloc(40);
  /** Columns of the row being written that were not sent. */
  private unchanged = 0;

  constructor(compiled: CompiledRelation) {
    this.topic = compiled.topic;
    this.relation = compiled.relation;
    this.lacksIdentity = compiled.lacksIdentity;
    this.table = `${compiled.relation.schema}.${compiled.relation.table}`;
    this.fields = compiled.fields;
    this.columns = Int32Array.from(compiled.fields, (field) => field.column);
    this.texts = compiled.fields.map((field) => field.reading.text);
    this.binaries = compiled.fields.map((field) => field.reading.binary ?? notInBinary);
    this.tenant = compiled.tenant;
    this.tenantColumn = this.columns[compiled.tenant]!;
    this.uuidKey = compiled.uuidKey;
    this.uuidTenant = compiled.uuidTenant;
    this.keyHeader = wireHeader(compiled.keySchemaId);
    this.valueHeader = wireHeader(compiled.valueSchemaId);
    this.source = compiled.source;
    this.names = compiled.fields.map((field) => avroString(field.name));
    this.keyRoom = compiled.fields[0]!.reading.room;
    this.room = compiled.fields.reduce((room, field, i) => room + field.reading.room + this.names[i]!.length, 0);
  }

  writeKey(slab: Slab, row: Tuple): void {
    const column = this.columns[0]!;
    slab.ensure(FRAME_ROOM + this.keyRoom + Math.max(0, row.ends[column]! - row.starts[column]!));
    const at = copyBytes(slab.bytes, slab.pos, this.keyHeader, 0, this.keyHeader.length);
    slab.pos = this.writeId(slab.bytes, at, row);
  }

  writeTruncateKey(slab: Slab): void {
    slab.ensure(FRAME_ROOM + NIL_UUID.length);
    const at = copyBytes(slab.bytes, slab.pos, this.keyHeader, 0, this.keyHeader.length);
    slab.pos = this.uuidKey
      ? stringFromText(slab.bytes, at, NIL_UUID, 0, NIL_UUID.length)
      : writeLong(slab.bytes, at, 0);
  }

  writeValue(
    slab: Slab,
    op: Op,
    before: Tuple | null,
    after: Tuple | null,
    stamp: TransactionStamp,
    seq: number,
    lsn: Lsn,
    now: bigint,
  ): void {
    const { source } = this;
    source.begin(stamp, now);
    slab.ensure(FRAME_ROOM + source.room + (before ? this.roomFor(before) : 0) + (after ? this.roomFor(after) : 0));
    const out = slab.bytes;
    let at = copyBytes(out, slab.pos, this.valueHeader, 0, this.valueHeader.length);
    if (before) at = this.writeRow(out, at, before);
    else out[at++] = NULL_BRANCH;
    this.unchanged = 0;
    if (after) at = this.writeRow(out, at, after);
    else out[at++] = NULL_BRANCH;
    // Without its tenant a row has no partition.
    if (after && after.kinds[this.tenantColumn] === KIND_NULL) throw this.located(unencodable('null'), this.tenant);
    at = source.writeSource(out, at, seq, lsn);
    out[at++] = 2;
    out[at++] = op.charCodeAt(0);
    at = source.writeClock(out, at);
    out[at++] = NULL_BRANCH;
    if (this.unchanged > 0) at = this.writeUnchanged(out, at, after!);
    else out[at++] = NULL_BRANCH;
    if (at > out.length) throw new CdcError('internal', `a record of ${this.table} is larger than was foreseen`);
    slab.pos = at;
  }

  partition(row: Tuple, partitions: number): number {
    const column = this.tenantColumn;
    const start = row.starts[column]!;
    const end = row.ends[column]!;
    const kind = row.kinds[column];
    if (kind === KIND_TEXT) return partitionOf(row.bytes, start, end, partitions);
    if (kind !== KIND_BINARY) return -1;
    const { scratch } = this;
    const length = this.uuidTenant
      ? formatUuid(scratch, 0, row.bytes, start, end)
      : formatInteger(scratch, 0, row.bytes, start, end);
    return partitionOf(scratch, 0, length, partitions);
  }

  idText(row: Tuple): string | null {
    const column = this.columns[0]!;
    const [start, end] = [row.starts[column]!, row.ends[column]!];
    if (row.kinds[column] === KIND_TEXT) return row.bytes.toString('utf8', start, end);
    if (row.kinds[column] !== KIND_BINARY) return null;
    const { scratch } = this;
    const format = this.uuidKey ? formatUuid : formatInteger;
    return scratch.toString('latin1', 0, format(scratch, 0, row.bytes, start, end));
  }

  moved(before: Tuple, after: Tuple): boolean {
    return !sameColumn(before, after, this.columns[0]!) || !sameColumn(before, after, this.tenantColumn);
  }

  hasUnchanged(row: Tuple): boolean {
    return this.columns.some((column) => row.kinds[column] === KIND_UNCHANGED);
  }

  /**
   * Upper bound of what the row takes as Avro, names of unchanged columns included. A row of the stream lies in a message
   * of its own, whose length will do; one of a chunk lies among thousands, so its values are added up.
   */
  private roomFor(row: Tuple): number {
    if (row.bytes.length <= SMALL_BUFFER) return this.room + row.bytes.length;
    let { room } = this;
    for (const column of this.columns) {
      if (column < 0) continue;
      const kind = row.kinds[column];
      if (kind === KIND_TEXT || kind === KIND_BINARY) room += row.ends[column]! - row.starts[column]!;
    }
    return room;
  }

  /** The union's branch and the record, of the contract's columns only (Invariant 8); counts those that were not sent. */
  private writeRow(out: Buffer, start: number, row: Tuple): number {
    const { columns, texts, binaries } = this;
    const { bytes, kinds, starts, ends } = row;
    out[start] = VALUE_BRANCH;
    let at = this.writeId(out, start + 1, row);
    let i = 1;
    try {
      for (; i < columns.length; i++) {
        const column = columns[i]!;
        const kind = column < 0 ? KIND_NULL : kinds[column];
        if (kind === KIND_TEXT) {
          out[at++] = VALUE_BRANCH;
          at = texts[i]!(out, at, bytes, starts[column]!, ends[column]!);
        } else if (kind === KIND_BINARY) {
          out[at++] = VALUE_BRANCH;
          at = binaries[i]!(out, at, bytes, starts[column]!, ends[column]!);
        } else {
          out[at++] = NULL_BRANCH;
          if (kind === KIND_UNCHANGED) this.unchanged++;
        }
      }
    } catch (error) {
      throw this.located(error, i);
    }
    return at;
  }

  private writeId(out: Buffer, at: number, row: Tuple): number {
    const column = this.columns[0]!;
    try {
      const kind = row.kinds[column];
      if (kind !== KIND_TEXT && kind !== KIND_BINARY) throw unencodable('null');
      const write = (kind === KIND_TEXT ? this.texts : this.binaries)[0]!;
      return write(out, at, row.bytes, row.starts[column]!, row.ends[column]!);
    } catch (error) {
      throw this.located(error, 0);
    }
  }

  private writeUnchanged(out: Buffer, start: number, row: Tuple): number {
    let at = start;
    out[at++] = VALUE_BRANCH;
    at = writeVarint(out, at, this.unchanged << 1);
    for (const [i, column] of this.columns.entries()) {
      if (row.kinds[column] === KIND_UNCHANGED) at = copyBytes(out, at, this.names[i]!, 0, this.names[i]!.length);
    }
    out[at++] = 0;
    return at;
  }

  private located(error: unknown, field: number): CdcError {
    const { kind, message } = toCdcError(error);
    return new CdcError(kind, `column ${this.fields[field]!.name} of ${this.table}: ${message}`, { cause: error });
  }
}

const notInBinary: ColumnWriter = () => {
  throw new CdcError('text_needed', 'its type is understood as text only');
};

/** Confluent's wire format: byte 0, then the schema's id, big-endian. */
function wireHeader(schemaId: number): Buffer {
  const header = Buffer.alloc(5);
  header.writeInt32BE(schemaId, 1);
  return header;
}
