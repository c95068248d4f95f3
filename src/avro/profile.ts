import { CdcError } from '../core/errors';
import type { Relation } from '../core/tuple';
import { KEY_COLUMN } from './contract';
import { OID } from './type-table';

/** Form of the ids: seed = uuid, repo = integer. Each has a folder of contracts of that name. */
export type Profile = 'seed' | 'repo';

/** By the type of `tenants.id`. Throws table_missing when there is no such table, contract_type when it is neither. */
export function chooseProfile(relations: readonly Relation[]): Profile {
  const id = relations.find(({ table }) => table === 'tenants')?.columns.find(({ name }) => name === KEY_COLUMN);
  if (!id) throw new CdcError('table_missing', 'no table tenants with a column id: the form of the ids is unknown');
  switch (id.typeOid) {
    case OID.uuid:
      return 'seed';
    case OID.int2:
    case OID.int4:
    case OID.int8:
      return 'repo';
    default:
      throw new CdcError('contract_type', 'tenants.id is neither a uuid nor an integer');
  }
}
