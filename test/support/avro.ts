import { type Schema, Type, types } from 'avsc';
import { type Contract, parseContract } from '../../src/avro/contract';
import { createEncoderFactory } from '../../src/avro/encoder-factory';
import { CdcError } from '../../src/core/errors';
import type { RowEncoder, TransactionStamp } from '../../src/core/ports/encoding';
import { Slab } from '../../src/core/slab';
import {
  type Column,
  KIND_BINARY,
  KIND_NULL,
  KIND_TEXT,
  KIND_UNCHANGED,
  newTuple,
  type Relation,
  type Tuple,
} from '../../src/core/tuple';

/**
 * The oracle: avsc, an Avro implementation that shares nothing with ours. Longs are bigint, decimals their unscaled bigint.
 */
export function avroOracle(schema: string): Type {
  return Type.forSchema(JSON.parse(schema) as Schema, {
    logicalTypes: { decimal: UnscaledDecimal },
    typeHook: (type) => (type === 'long' || (type as { type?: unknown }).type === 'long' ? bigintLong() : undefined),
  });
}

const bigintLong = () =>
  types.LongType.__with({
    fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
    toBuffer: (n: bigint) => {
      const buffer = Buffer.alloc(8);
      buffer.writeBigInt64LE(n);
      return buffer;
    },
    fromJSON: BigInt,
    toJSON: String,
    isValid: (n: unknown) => typeof n === 'bigint',
    compare: (a: bigint, b: bigint) => Number(a > b) - Number(a < b),
  });

class UnscaledDecimal extends types.LogicalType {
  override _fromValue(bytes: Buffer): bigint {
    return bytes.length === 0 ? 0n : BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex')}`));
  }
  /** Shortest two's complement, as java.math.BigInteger.toByteArray. */
  override _toValue(n: bigint): Buffer {
    let bytes = 1;
    while (n >= 1n << BigInt(bytes * 8 - 1) || n < -(1n << BigInt(bytes * 8 - 1))) bytes++;
    const hex = BigInt.asUintN(bytes * 8, n).toString(16);
    return Buffer.from(hex.padStart(bytes * 2, '0'), 'hex');
  }
}

/** A column's value as the server sends it; a Buffer is binary, a string text. */
export type Sent = string | Buffer | null | typeof UNCHANGED;
export const UNCHANGED = Symbol('unchanged TOAST');

/** With bytes around it that belong to nobody, so that reading beside the value is noticed. */
export function tupleOf(values: readonly Sent[]): Tuple {
  const tuple = newTuple(Math.max(1, values.length));
  const parts = [Buffer.from('<<')];
  let at = 2;
  for (const [i, value] of values.entries()) {
    if (value === null || value === UNCHANGED) {
      tuple.kinds[i] = value === null ? KIND_NULL : KIND_UNCHANGED;
      // Left over from another row.
      tuple.starts[i] = 1_000_000;
      tuple.ends[i] = 0;
      continue;
    }
    const bytes = Buffer.from(value);
    parts.push(bytes, Buffer.from('>'));
    tuple.kinds[i] = typeof value === 'string' ? KIND_TEXT : KIND_BINARY;
    tuple.starts[i] = at;
    tuple.ends[i] = at + bytes.length;
    at += bytes.length + 1;
  }
  tuple.bytes = Buffer.concat(parts);
  tuple.count = values.length;
  return tuple;
}

export interface TestColumn {
  readonly name: string;
  readonly oid: number;
  readonly typeModifier?: number;
  /** Avro type inside the union with null. */
  readonly avro: unknown;
}

export const UUID = { type: 'string', logicalType: 'uuid' };

/** Contract of `ventia.orders`: a bigint id, a bigint tenant_id, then these columns. */
export function contractOf(columns: readonly TestColumn[]): Contract {
  const field = (name: string, type: unknown) => ({
    name,
    type: ['null', type],
    default: null,
    doc: `Meaning of ${name}.`,
  });
  const text = JSON.stringify({
    type: 'record',
    name: 'Value',
    namespace: 'ventia.orders',
    table: 'orders',
    tenant: 'tenant_id',
    doc: 'A row.',
    fields: [
      { name: 'id', type: 'long', doc: 'Key.' },
      field('tenant_id', 'long'),
      ...columns.map(({ name, avro }) => field(name, avro)),
    ],
  });
  return { ...parseContract(text, 'test.avsc'), schema: 'ventia', topic: 'ventia.orders' };
}

export const column = (name: string, typeOid: number, typeModifier = -1): Column => ({
  name,
  typeOid,
  typeModifier,
  identity: true,
});

export function relationOf(columns: readonly TestColumn[]): Relation {
  return {
    oid: 16_400,
    schema: 'ventia',
    table: 'orders',
    replicaIdentity: 'f',
    columns: [
      column('id', 20),
      column('tenant_id', 20),
      ...columns.map(({ name, oid, typeModifier }) => column(name, oid, typeModifier)),
    ],
  };
}

export const KEY_SCHEMA_ID = 11;
export const VALUE_SCHEMA_ID = 0x01020304;
export const SOURCE = { version: '9.9.9', connector: 'ventia', name: 'ventia-source', db: 'shop' };

export function factoryOf(contracts: readonly Contract[]) {
  const ids = { key: KEY_SCHEMA_ID, value: VALUE_SCHEMA_ID };
  return createEncoderFactory({
    contracts,
    schemaIds: new Map(contracts.map(({ topic }) => [topic, ids])),
    source: SOURCE,
  });
}

export function encoderOf(columns: readonly TestColumn[]): RowEncoder {
  return factoryOf([contractOf(columns)]).compile(relationOf(columns), { absentColumns: [] })!;
}

export const STAMP: TransactionStamp = {
  epoch: 3n,
  commitLsn: 0x16b374848n,
  commitTime: 1_767_225_600_123_456n,
  xid: 4_000_000_000,
  snapshot: null,
};
export const NOW = 1_767_225_601_000_001n;

/** What `writeKey` or `writeValue` appended, in a slab too small for it. */
export function bytesOf(write: (slab: Slab) => void): Buffer {
  const slab = new Slab(1);
  write(slab);
  return Buffer.from(slab.bytes.subarray(0, slab.pos));
}

/** The envelope's `source` for {@link STAMP}, as the oracle takes it. */
export function expectedSource(stamp: TransactionStamp, seq: number, lsn: bigint) {
  return {
    version: SOURCE.version,
    connector: SOURCE.connector,
    name: SOURCE.name,
    ts_ms: stamp.commitTime / 1000n,
    ts_us: stamp.commitTime,
    snapshot: stamp.snapshot,
    db: SOURCE.db,
    schema: 'ventia',
    table: 'orders',
    txId: stamp.xid === null ? null : BigInt(stamp.xid),
    lsn: BigInt.asIntN(64, lsn),
    sequence: `["${stamp.commitLsn}","${lsn}"]`,
    commit_lsn: BigInt.asIntN(64, stamp.commitLsn),
    seq: BigInt(seq),
    epoch: stamp.epoch,
  };
}

/** `kind: message` of the CdcError that the work throws. */
export function errorOf(work: () => unknown): string {
  try {
    return `no error: ${work()}`;
  } catch (error) {
    return error instanceof CdcError ? `${error.kind}: ${error.message}` : String(error);
  }
}
