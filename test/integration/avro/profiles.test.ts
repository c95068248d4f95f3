import { join } from 'node:path';
import type { Contract } from '../../../src/avro/contract';
import { readContracts } from '../../../src/avro/contract-files';
import { createEncoderFactory, readsBinary } from '../../../src/avro/encoder-factory';
import { schemasOf } from '../../../src/avro/envelope';
import { chooseProfile } from '../../../src/avro/profile';
import type { Relation } from '../../../src/core/tuple';
import { openSourceQueries } from '../../../src/postgres/source-queries';
import { avroOracle, bytesOf, NOW, SOURCE, STAMP, tupleOf } from '../../support/avro';
import { createDemoDatabases, type DemoDatabases, withClient } from '../../support/databases';

const SCHEMAS = join(__dirname, '../../../schemas/avro');

describe.each(['seed', 'repo'] as const)('tables of profile %s', (profile) => {
  let databases: DemoDatabases;
  let relations: Relation[];
  let contracts: Contract[];
  beforeAll(async () => {
    databases = await createDemoDatabases(profile);
    const schema = databases.schemas.ventia;
    await withClient(databases.sourceUrl, (client) =>
      client.query(`ALTER TABLE ${schema}.orders REPLICA IDENTITY FULL`),
    );
    const queries = openSourceQueries(databases.sourceUrl, { applicationName: 'test' });
    try {
      relations = await Promise.all(
        ['tenants', 'orders'].map(async (table) => (await queries.describe(schema, table))!),
      );
    } finally {
      await queries.close();
    }
    contracts = await readContracts(
      join(SCHEMAS, chooseProfile(relations)),
      relations.map(({ schema, table }) => ({ schema, table, topic: `ventia.${table}` })),
    );
  });
  afterAll(() => databases?.drop());

  const absent = (relation: Relation, contract: Contract) =>
    contract.fields.map(({ name }) => name).filter((name) => !relation.columns.some((c) => c.name === name));

  test('have the form of ids that tells the profile', () => {
    expect(chooseProfile(relations)).toBe(profile);
    expect(absent(relations[0]!, contracts[0]!)).toEqual([]);
    expect(absent(relations[1]!, contracts[1]!)).toEqual(profile === 'seed' ? ['total_price'] : []);
  });

  test('fit the contract, in text and in binary, and a real row goes through', async () => {
    const factory = createEncoderFactory({
      contracts,
      schemaIds: new Map(contracts.map(({ topic }) => [topic, { key: 1, value: 2 }])),
      source: SOURCE,
    });
    await withClient(databases.sourceUrl, async (client) => {
      const { ventia } = databases.schemas;
      await client.query("SET TimeZone = 'UTC'");
      const times = profile === 'seed' ? '' : ', created_at, updated_at';
      const values = profile === 'seed' ? '' : ", '2026-01-02 03:04:05.6', '2026-01-02 03:04:05.6'";
      const total = profile === 'seed' ? 'total_amount' : 'total_price';
      await client.query(
        `INSERT INTO ${ventia}.tenants (name, slug, settings${times}) VALUES ('Empresa Demo', 'demo', '{"token":"s3cr3t"}'${values})`,
      );
      await client.query(
        `INSERT INTO ${ventia}.orders (tenant_id, customer_email, ${total}, currency, customer_document_number${times})
         SELECT id, 'ana@x.pe', 199.9, 'PEN', '12345678'${values} FROM ${ventia}.tenants`,
      );
      for (const [i, relation] of relations.entries()) {
        expect(readsBinary(contracts[i]!, relation)).toBe(true);
        const encoder = factory.compile(relation, { absentColumns: absent(relation, contracts[i]!) })!;
        const { rows } = await client.query({
          text: `SELECT * FROM ${ventia}.${relation.table}`,
          rowMode: 'array',
          types: { getTypeParser: () => String },
        });
        const row = tupleOf(rows[0]!);
        const bytes = bytesOf((slab) => encoder.writeValue(slab, 'c', null, row, STAMP, 0, 1n, NOW));
        const { after } = avroOracle(schemasOf(contracts[i]!).value).fromBuffer(bytes.subarray(5));
        expect(Object.keys(after)).toEqual(contracts[i]!.fields.map(({ name }) => name));
        if (relation.table === 'tenants') expect(after).toMatchObject({ name: 'Empresa Demo', is_active: true });
        else expect(after).toMatchObject({ customer_email: 'ana@x.pe', [total]: profile === 'seed' ? 19990n : 199.9 });
        expect(bytes.includes('s3cr3t') || bytes.includes('12345678')).toBe(false);
      }
    });
  });
});
