import { chooseProfile } from '../../../src/avro/profile';
import type { CdcError } from '../../../src/core/errors';
import type { Relation } from '../../../src/core/tuple';
import { column } from '../../support/avro';

const tenants = (oid: number): Relation => ({
  oid: 1,
  schema: 'public',
  table: 'tenants',
  replicaIdentity: 'd',
  columns: [column('name', 25), column('id', oid)],
});
const orders: Relation = { ...tenants(20), table: 'orders' };

test.each([
  [2950, 'seed'],
  [21, 'repo'],
  [23, 'repo'],
  [20, 'repo'],
])('tenants.id of type %i: %s', (oid, profile) => expect(chooseProfile([orders, tenants(oid)])).toBe(profile));

test.each<[Relation[], string]>([
  [[orders], 'table_missing'],
  [[tenants(25)], 'contract_type'],
  [[{ ...tenants(25), columns: [] }], 'table_missing'],
])('else nobody may guess', (relations, kind) => {
  let caught: unknown;
  try {
    chooseProfile(relations);
  } catch (error) {
    caught = (error as CdcError).kind;
  }
  expect(caught).toBe(kind);
});
