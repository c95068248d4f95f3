import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Type } from 'avsc';
import { type Contract, parseContract } from '../../../src/avro/contract';
import { readContracts } from '../../../src/avro/contract-files';
import { schemasOf } from '../../../src/avro/envelope';
import { CdcError } from '../../../src/core/errors';
import { temporaryFolder } from '../../support/temporary-folder';

const SCHEMAS = join(__dirname, '../../../schemas/avro');
const TABLES = [
  { schema: 'ventia', table: 'tenants', topic: 'ventia.tenants' },
  { schema: 'ventia', table: 'orders', topic: 'ventia.orders' },
];

const FORBIDDEN = /settings|document|line_items|shipping|notes|efact|emisor|company_id|token/;

describe.each(['seed', 'repo'])('the published contract, profile %s', (profile) => {
  let contracts: Contract[];
  beforeAll(async () => {
    contracts = await readContracts(join(SCHEMAS, profile), TABLES);
  });

  test('names the tables and their tenants', () => {
    expect(contracts.map(({ table, topic, tenantColumn }) => [table, topic, tenantColumn])).toEqual([
      ['tenants', 'ventia.tenants', 'id'],
      ['orders', 'ventia.orders', 'tenant_id'],
    ]);
  });

  test('holds nothing that must stay in the source (Invariant 8)', () => {
    for (const { name } of contracts.flatMap(({ fields }) => fields)) expect(name).not.toMatch(FORBIDDEN);
  });

  test('is valid Avro, and fully compatible with itself', () => {
    for (const contract of contracts) {
      const { key, value } = schemasOf(contract);
      for (const text of [key, value]) {
        const [one, other] = [Type.forSchema(JSON.parse(text)), Type.forSchema(JSON.parse(text))];
        expect(() => one.createResolver(other)).not.toThrow();
      }
    }
  });

  test('lets every column but the key go and come: a reader of either version reads the other', () => {
    for (const contract of contracts)
      for (const field of contract.fields.slice(1)) {
        if (field.name === contract.tenantColumn) continue;
        const shorter = { ...contract, fields: contract.fields.filter((f) => f !== field) };
        const [now, before] = [contract, shorter].map((c) => Type.forSchema(JSON.parse(schemasOf(c).value)));
        expect(() => now!.createResolver(before!)).not.toThrow();
        expect(() => before!.createResolver(now!)).not.toThrow();
      }
  });
});

test('the id form of each profile', async () => {
  const [seed] = await readContracts(join(SCHEMAS, 'seed'), TABLES);
  const [repo] = await readContracts(join(SCHEMAS, 'repo'), TABLES);
  expect([seed!.fields[0]!.type.kind, repo!.fields[0]!.type.kind]).toEqual(['uuid', 'long']);
});

test('the schema text depends on the contract alone, not on how its file is written', () => {
  const text = JSON.stringify(valid());
  const spread = JSON.stringify(valid(), null, 4);
  const bind = (json: string) => ({ ...parseContract(json, 'x.avsc'), schema: 'ventia', topic: 'ventia.orders' });
  expect(schemasOf(bind(spread))).toEqual(schemasOf(bind(text)));
  expect(schemasOf(bind(text)).value).not.toMatch(/"tenant"|"optional"|"table":/);
});

const valid = () => ({
  type: 'record',
  name: 'Value',
  namespace: 'ventia.orders',
  table: 'orders',
  tenant: 'tenant_id',
  doc: 'A row.',
  fields: [
    { name: 'id', type: 'long', doc: 'Key.' } as Record<string, unknown>,
    { name: 'tenant_id', type: ['null', 'long'], default: null, doc: 'Tenant.' } as Record<string, unknown>,
    { name: 'status', type: ['null', 'string'], default: null, doc: 'Status.', optional: true } as Record<
      string,
      unknown
    >,
  ],
});
type Json = ReturnType<typeof valid>;

const broken: [what: string, message: RegExp, spoil: (json: Json) => unknown][] = [
  ['no record', /must be a record named "Value"/, (c) => ({ ...c, type: 'enum' })],
  ['another name', /must be a record named "Value"/, (c) => ({ ...c, name: 'Row' })],
  ['no table', /"table" is missing/, ({ table: _, ...c }) => c],
  ['no tenant', /"tenant" is missing/, ({ tenant: _, ...c }) => c],
  ['a tenant that is no field', /"tenant" names no field: shop/, (c) => ({ ...c, tenant: 'shop' })],
  ['a tenant that is no id', /field status: the tenant must be a uuid or a long/, (c) => ({ ...c, tenant: 'status' })],
  ['a namespace that is none', /"namespace" is missing or malformed/, (c) => ({ ...c, namespace: 'a-b' })],
  ['no doc', /"doc" is missing/, ({ doc: _, ...c }) => c],
  ['no fields', /"fields" must be a list/, ({ fields: _, ...c }) => c],
  ['no key', /the first field must be the key/, (c) => ({ ...c, fields: c.fields.slice(1) })],
  ['a nullable key', /field id: "type" is malformed/, field(0, { type: ['null', 'long'] })],
  ['a text key', /field id: the key must be a plain uuid or long/, field(0, { type: 'string' })],
  ['a field twice', /field status: appears twice/, (c) => ({ ...c, fields: [...c.fields, c.fields[2]] })],
  ['a field without doc', /field status: "doc" must say/, field(2, { doc: '  ' })],
  ['a field that is not nullable', /field status: must be \["null", type\]/, field(2, { type: 'string' })],
  ['a field without default', /field status: must be \["null", type\]/, field(2, { default: undefined })],
  ['an unknown type', /field status: unknown type "varchar"/, field(2, { type: ['null', 'varchar'] })],
  ['a name that is none', /field 3: "name" must be an Avro name/, field(2, { name: 'a b' })],
  ['an odd optional', /field status: "optional" must be true or false/, field(2, { optional: 1 })],
  [
    'a logical type on the wrong primitive',
    /field status: the logical type is unknown/,
    field(2, { type: ['null', { type: 'string', logicalType: 'date' }] }),
  ],
  [
    'a decimal without precision',
    /field status: a decimal needs precision/,
    field(2, { type: ['null', { type: 'bytes', logicalType: 'decimal' }] }),
  ],
];

function field(index: number, change: Record<string, unknown>) {
  return (contract: Json) => ({
    ...contract,
    fields: contract.fields.map((f, i) => (i === index ? { ...f, ...change } : f)),
  });
}

test.each(broken)('refuses %s', (_, message, spoil) => {
  expect(() => parseContract(JSON.stringify(valid()), 'orders.avsc')).not.toThrow();
  expect(() => parseContract(JSON.stringify(spoil(valid())), 'orders.avsc')).toThrow(message);
  expect(() => parseContract(JSON.stringify(spoil(valid())), 'orders.avsc')).toThrow(/^orders\.avsc: /);
});

test('refuses what is not JSON', () => {
  expect(() => parseContract('{"type": ', 'orders.avsc')).toThrow('orders.avsc: not JSON');
});

describe('a folder', () => {
  const folder = (files: Record<string, unknown>) => {
    const path = temporaryFolder('contract');
    for (const [name, json] of Object.entries(files)) writeFileSync(join(path, name), JSON.stringify(json));
    return path;
  };
  const orders = [TABLES[1]!];
  const kindOf = (reading: Promise<unknown>) =>
    reading.then(String, (error: CdcError) => `${error.kind} ${error.message}`);

  test('needs a file for every table, and no second one', async () => {
    expect(await kindOf(readContracts(folder({}), orders))).toMatch(/^contract_invalid .*: no file for table orders$/);
    const twice = folder({ 'a.avsc': valid(), 'b.avsc': valid() });
    expect(await kindOf(readContracts(twice, orders))).toMatch(/b\.avsc: .*a\.avsc is for orders already$/);
  });

  test('may hold contracts of other tables, and takes the topic from the connector', async () => {
    const path = folder({ 'a.avsc': valid(), 'b.avsc': { ...valid(), table: 'users' } });
    const [contract] = await readContracts(path, [{ schema: 'public', table: 'orders', topic: 'shop.orders' }]);
    expect(contract).toMatchObject({ schema: 'public', topic: 'shop.orders', file: join(path, 'a.avsc') });
    expect(contract!.fields.map(({ optional }) => optional)).toEqual([false, false, true]);
  });

  test('must exist', async () => {
    expect(await kindOf(readContracts('/nowhere', orders))).toBe('contract_invalid /nowhere: cannot be read');
  });
});

test('errors are of the table', () => {
  expect(() => parseContract('[]', 'x')).toThrow(CdcError);
});
