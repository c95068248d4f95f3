/**
 * Writes pgoutput messages of protocol 1 byte by byte, from PostgreSQL's documentation of the message formats and not from our
 * decoder.
 */

/** A column as it goes over the wire. */
export type FrameColumn = null | 'unchanged' | { readonly text: string } | { readonly binary: Buffer };

const PG_EPOCH_MICROS = 946_684_800_000_000n;

export function beginFrame(commitLsn: bigint, commitTime: bigint, xid: number): Buffer {
  return frame('B', uint64(commitLsn), time(commitTime), uint32(xid));
}

export function commitFrame(commitLsn: bigint, endLsn: bigint, commitTime: bigint): Buffer {
  return frame('C', byte(0), uint64(commitLsn), uint64(endLsn), time(commitTime));
}

export function originFrame(lsn: bigint, name: string): Buffer {
  return frame('O', uint64(lsn), cstring(name));
}

export function typeFrame(oid: number, schema: string, name: string): Buffer {
  return frame('Y', uint32(oid), cstring(schema), cstring(name));
}

export function streamAbortFrame(xid: number, subxid: number): Buffer {
  return frame('A', uint32(xid), uint32(subxid));
}

export interface FrameRelationColumn {
  readonly name: string;
  readonly typeOid: number;
  readonly typeModifier: number;
  readonly identity: boolean;
}

export function relationFrame(
  oid: number,
  schema: string,
  table: string,
  identity: string,
  columns: readonly FrameRelationColumn[],
): Buffer {
  return frame(
    'R',
    uint32(oid),
    cstring(schema),
    cstring(table),
    Buffer.from(identity),
    uint16(columns.length),
    ...columns.map((column) =>
      Buffer.concat([
        byte(column.identity ? 1 : 0),
        cstring(column.name),
        uint32(column.typeOid),
        int32(column.typeModifier),
      ]),
    ),
  );
}

export function insertFrame(oid: number, after: readonly FrameColumn[]): Buffer {
  return frame('I', uint32(oid), tuple('N', after));
}

export function updateFrame(
  oid: number,
  before: { readonly kind: 'K' | 'O'; readonly columns: readonly FrameColumn[] } | null,
  after: readonly FrameColumn[],
): Buffer {
  return frame('U', uint32(oid), ...(before === null ? [] : [tuple(before.kind, before.columns)]), tuple('N', after));
}

export function deleteFrame(oid: number, kind: 'K' | 'O', before: readonly FrameColumn[]): Buffer {
  return frame('D', uint32(oid), tuple(kind, before));
}

/** Flags: 1 = cascade, 2 = restart identity. */
export function truncateFrame(oids: readonly number[], flags: number): Buffer {
  return frame('T', int32(oids.length), byte(flags), ...oids.map(uint32));
}

export function logicalMessageFrame(transactional: boolean, lsn: bigint, prefix: string, content: Buffer): Buffer {
  return frame('M', byte(transactional ? 1 : 0), uint64(lsn), cstring(prefix), int32(content.length), content);
}

function tuple(kind: 'N' | 'K' | 'O', columns: readonly FrameColumn[]): Buffer {
  return Buffer.concat([Buffer.from(kind), uint16(columns.length), ...columns.map(column)]);
}

function column(value: FrameColumn): Buffer {
  if (value === null) return Buffer.from('n');
  if (value === 'unchanged') return Buffer.from('u');
  const bytes = 'text' in value ? Buffer.from(value.text) : value.binary;
  return Buffer.concat([Buffer.from('text' in value ? 't' : 'b'), int32(bytes.length), bytes]);
}

function frame(tag: string, ...parts: readonly Buffer[]): Buffer {
  return Buffer.concat([Buffer.from(tag), ...parts]);
}

const byte = (value: number) => Buffer.from([value]);
const cstring = (text: string) => Buffer.from(`${text}\0`);
const time = (micros: bigint) => int64(micros - PG_EPOCH_MICROS);

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function uint64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}

function int64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes;
}
