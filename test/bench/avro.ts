import { join } from 'node:path';
import type { Contract } from '../../src/avro/contract';
import { readContracts } from '../../src/avro/contract-files';
import { ChangeDecoder } from '../../src/avro/decoder';
import { createEncoderFactory } from '../../src/avro/encoder-factory';
import { schemasOf } from '../../src/avro/envelope';
import type { RowEncoder } from '../../src/core/ports/encoding';
import { Slab } from '../../src/core/slab';
import type { Tuple } from '../../src/core/tuple';
import { bytesOf, NOW, SOURCE, STAMP, tupleOf } from '../support/avro';
import { numericForms } from '../support/pg-values';

/**
 * The row path's Avro, without servers: key, envelope and partition of one order, and the way back. Time is that of the
 * fastest of many short rounds, so that a busy machine disturbs little.
 *
 *   node test/support/run-ts.js test/bench/avro.ts
 */
const ORDER: Record<string, [oid: number, text: string, binary: Buffer | null]> = {
  id: [2950, '0b0f4b1e-7c4e-4a3e-9f43-1a5d2c3b4a59', Buffer.from('0b0f4b1e7c4e4a3e9f431a5d2c3b4a59', 'hex')],
  tenant_id: [2950, '11111111-2222-3333-4444-555555555555', Buffer.from('11111111222233334444555555555555', 'hex')],
  customer_name: [1043, 'María José Ñúñez', null],
  customer_email: [1043, 'maria.jose@gmail.com', null],
  customer_phone: [1043, '+51987654321', null],
  customer_id: [1043, '7000000000000001', null],
  customer_order_count: [23, '12', Buffer.from('0000000c', 'hex')],
  status: [1043, 'Pagado', null],
  order_number: [1043, '#1001', null],
  total_price: [1700, '199.90', numericForms(19990n, 2).binary],
  total_amount: [1700, '1234.56', numericForms(123456n, 2).binary],
  currency: [1043, 'PEN', null],
  channel: [1043, 'shopify', null],
  payment_method: [1043, 'tarjeta', null],
  shopify_draft_order_id: [1043, 'gid://shopify/DraftOrder/1234567890', null],
  shopify_order_id: [1043, 'gid://shopify/Order/9876543210', null],
  woocommerce_order_id: [23, '4123', Buffer.from('0000101b', 'hex')],
  created_at: [1184, '2026-03-04 05:06:07.123456+00', Buffer.from('0002ef414b58b240', 'hex')],
  updated_at: [1184, '2026-03-04 05:06:08.654321+00', Buffer.from('0002ef414b700f71', 'hex')],
};
const NAMES = Object.keys(ORDER);
const TWELVE = [
  'id',
  'tenant_id',
  'customer_name',
  'customer_email',
  'customer_phone',
  'status',
  'total_amount',
  'currency',
  'channel',
  'shopify_order_id',
  'created_at',
  'updated_at',
];

const ROUNDS = 200;
const ROWS = 2_000;

async function nanosecondsPerRow(round: () => unknown): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < ROUNDS; i++) {
    const start = process.hrtime.bigint();
    await round();
    best = Math.min(best, Number(process.hrtime.bigint() - start) / ROWS);
  }
  return best;
}

function report(what: string, ns: number, bytes: number): void {
  process.stdout.write(`${what.padEnd(44)} ${ns.toFixed(0).padStart(5)} ns ${String(bytes).padStart(5)} bytes\n`);
}

function encoderOf(contract: Contract, names: readonly string[]): RowEncoder {
  return createEncoderFactory({
    contracts: [{ ...contract, fields: contract.fields.filter(({ name }) => names.includes(name)) }],
    schemaIds: new Map([['ventia.orders', { key: 1, value: 2 }]]),
    source: SOURCE,
  }).compile(
    {
      oid: 1,
      schema: 'ventia',
      table: 'orders',
      replicaIdentity: 'f',
      columns: names.map((name) => ({ name, typeOid: ORDER[name]![0], typeModifier: -1, identity: true })),
    },
    { absentColumns: [] },
  )!;
}

/** Key, envelope and partition, as capture does it; every row a little further in the WAL. */
function encoding(encoder: RowEncoder, before: Tuple | null, after: Tuple, rowsPerTransaction: number): () => void {
  const slab = new Slab(256 * 1024);
  const lsns = Array.from({ length: 1000 }, (_, i) => STAMP.commitLsn + BigInt(i * 180));
  const stamp = { ...STAMP };
  return () => {
    for (let i = 0; i < ROWS; i++) {
      slab.reset();
      if (i % rowsPerTransaction === 0) stamp.commitLsn = lsns[(i * 7) % 1000]!;
      encoder.writeKey(slab, after);
      encoder.writeValue(slab, before ? 'u' : 'c', before, after, stamp, i, lsns[i % 1000]!, NOW);
      encoder.partition(after, 6);
    }
  };
}

async function encode(contract: Contract, what: string, names: readonly string[]): Promise<void> {
  const encoder = encoderOf(contract, names);
  const rows = {
    text: tupleOf(names.map((name) => ORDER[name]![1])),
    binary: tupleOf(names.map((name) => ORDER[name]![2] ?? Buffer.from(ORDER[name]![1]))),
  };
  for (const [form, row] of Object.entries(rows)) {
    const measure = async (kind: string, before: Tuple | null, rowsPerTransaction: number) => {
      const ns = await nanosecondsPerRow(encoding(encoder, before, row, rowsPerTransaction));
      const value = bytesOf((slab) => encoder.writeValue(slab, 'c', before, row, STAMP, 0, 1n, NOW));
      report(`encode ${what}, ${form}, ${kind}`, ns, value.length);
    };
    await measure('insert', null, ROWS);
    await measure('insert, a transaction each', null, 1);
    await measure('update with FULL', row, ROWS);
  }
}

async function decode(contract: Contract): Promise<void> {
  const schemas = schemasOf(contract);
  const source = { schemaById: async (id: number) => (id === 1 ? schemas.key : schemas.value) };
  const encoder = encoderOf(contract, NAMES);
  const row = tupleOf(NAMES.map((name) => ORDER[name]![1]));
  const key = bytesOf((slab) => encoder.writeKey(slab, row));
  const value = bytesOf((slab) => encoder.writeValue(slab, 'c', null, row, STAMP, 0, 1n, NOW));
  const records = Array.from({ length: ROWS }, () => ({ key, value }));
  const all = new ChangeDecoder(source);
  const few = new ChangeDecoder(source, TWELVE);
  report('decode 19 columns', await nanosecondsPerRow(() => all.decode(records)), value.length);
  report('decode 12 of 19 columns', await nanosecondsPerRow(() => few.decode(records)), value.length);
}

async function main(): Promise<void> {
  const orders = { schema: 'ventia', table: 'orders', topic: 'ventia.orders' };
  const [contract] = await readContracts(join(__dirname, '../../schemas/avro/seed'), [orders]);
  await encode(contract!, '19 columns', NAMES);
  await encode(contract!, '12 columns', TWELVE);
  await decode(contract!);
}

void main();
