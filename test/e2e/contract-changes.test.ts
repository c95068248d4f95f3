import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { AlteredShop } from '../support/altered-shop';
import { readChanges, type TopicChange } from '../support/topics';
import { eventually } from '../support/wait';

jest.setTimeout(120_000);

const contracts = mkdtempSync(join(tmpdir(), 'ventia-contracts-'));
let shop: AlteredShop;

beforeAll(async () => {
  cpSync(resolve(__dirname, '../../schemas/avro'), contracts, { recursive: true });
  shop = await AlteredShop.open({ env: { CONTRACTS_DIR: contracts } });
});
afterAll(async () => {
  await shop?.pipeline.drop();
  rmSync(contracts, { recursive: true });
});

interface Field {
  readonly name: string;
}

function editContract(change: (fields: Field[]) => Field[]): void {
  const file = join(contracts, 'seed', 'ventia.orders.avsc');
  const contract = JSON.parse(readFileSync(file, 'utf8')) as { fields: Field[] };
  writeFileSync(file, JSON.stringify({ ...contract, fields: change(contract.fields) }));
}

/** `setup`, and a new start. */
async function deploy(): Promise<void> {
  await shop.pipeline.setup();
  await shop.down();
  await shop.up();
}

/** The last row of every order that exists. */
async function rows(): Promise<NonNullable<TopicChange['after']>[]> {
  const changes = await readChanges(shop.pipeline.topics.orders);
  changes.sort((a, b) => (a.position < b.position ? -1 : Number(a.position > b.position)));
  const last = new Map(changes.map(({ key, after }) => [key, after]));
  return [...last.values()].filter((row) => row !== null);
}

/** docs/operations.md, "Another type for a contract column". */
describe('another type for a column: the new one comes beside the old one', () => {
  it('a column more: no row is without its value when the table has been loaded again', async () => {
    await shop.sql(`UPDATE ventia.orders SET customer_order_count = 7`);
    await shop.sql(`ALTER TABLE ventia.orders ADD COLUMN customer_rank text DEFAULT 'vip'`);
    await shop.write();
    await shop.sql(
      `UPDATE ventia.orders SET customer_rank = customer_order_count::text WHERE customer_order_count > 0`,
    );
    await shop.converges();
    editContract((fields) => [
      ...fields,
      { name: 'customer_rank', type: ['null', 'string'], default: null, doc: 'How often, in words.' } as Field,
    ]);
    await deploy();
    await shop.write();
    await shop.converges();
    await eventually(async () => {
      const ranks = (await rows()).map(
        ({ customer_rank, customer_order_count }) => `${customer_order_count} ${customer_rank}`,
      );
      expect(new Set(ranks)).toEqual(new Set(['7 7', 'null vip']));
      return true;
    });
    expect(shop.reasons).toEqual(['ventia.orders: column customer_rank was added']);
  });

  it('a column less: taken out of the contract first, it may go', async () => {
    editContract((fields) => fields.filter(({ name }) => name !== 'customer_order_count'));
    await deploy();
    await shop.sql('ALTER TABLE ventia.orders DROP COLUMN customer_order_count');
    await shop.write();
    await shop.converges();
    expect((await rows()).some((row) => row.customer_rank === '7')).toBe(true);
    expect(shop.reasons).toEqual([]);
    expect((await shop.service.readiness()).ready).toBe(true);
  });

  it('a field of another type is refused by the registry, before anything is changed', async () => {
    editContract((fields) =>
      fields.map((field) => (field.name === 'customer_rank' ? ({ ...field, type: ['null', 'long'] } as Field) : field)),
    );
    const { code, stderr } = await shop.pipeline.cli('setup', '--yes');
    expect([code, stderr.slice(0, 14)]).toEqual([1, 'error CDC-402 ']);
  });
});
