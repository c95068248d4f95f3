import { RememberedSchemas } from '../../../src/avro/remembered-schemas';
import { CdcError } from '../../../src/core/errors';
import { silentLogger } from '../../../src/core/ports/log';

const away = () => Promise.reject(new CdcError('registry_unreachable', 'away'));
const state = new Map([
  ['source/schema/7', JSON.stringify({ subject: 'ventia.orders-value', schema: '"one"' })],
  ['source/schema/8', JSON.stringify({ subject: 'ventia.orders-value', schema: '"two"' })],
  ['source/source', '{}'],
  ['other/schema/9', JSON.stringify({ subject: 'ventia.orders-value', schema: '"three"' })],
]);

function remembered(registry: { lookup: () => Promise<number | null>; schemaById: () => Promise<string> }) {
  const schemas = new RememberedSchemas(registry, 'source', silentLogger);
  schemas.learn(state);
  return schemas;
}

test('while the registry is away, ids and schemas are those of earlier lives', async () => {
  const schemas = remembered({ lookup: away, schemaById: away });
  expect(await schemas.lookup('ventia.orders-value', '"two"')).toBe(8);
  expect(await schemas.schemaById(7)).toBe('"one"');
});

test('what was never learnt is not made up: another schema, another subject, another connector', async () => {
  const schemas = remembered({ lookup: away, schemaById: away });
  for (const lookup of [
    schemas.lookup('ventia.orders-value', '"three"'),
    schemas.lookup('ventia.tenants-value', '"two"'),
    schemas.schemaById(9),
  ])
    await expect(lookup).rejects.toMatchObject({ kind: 'registry_unreachable' });
});

test('a registry that answers is believed, also when it does not know the schema any more', async () => {
  const schemas = remembered({ lookup: async () => null, schemaById: away });
  expect(await schemas.lookup('ventia.orders-value', '"two"')).toBeNull();
  const moved = remembered({ lookup: async () => 21, schemaById: away });
  expect(await moved.lookup('ventia.orders-value', '"two"')).toBe(21);
  expect(moved.schemas.get(21)).toEqual({ subject: 'ventia.orders-value', schema: '"two"' });
});

test('a refused login is no absence', async () => {
  const refused = () => Promise.reject(new CdcError('registry_refused', 'no'));
  const schemas = remembered({ lookup: refused, schemaById: refused });
  await expect(schemas.lookup('ventia.orders-value', '"two"')).rejects.toMatchObject({ kind: 'registry_refused' });
});
