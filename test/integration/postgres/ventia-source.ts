import type { ExpectedSource, SourceTable } from '../../../src/postgres/source-catalog';
import type { DemoDatabases } from '../../support/databases';
import { uniqueName } from '../../support/stack';

/** What the pipeline expects of the demo's tables, with a publication and a slot of the test's own. */
export function expectedOf(
  { schemas }: Pick<DemoDatabases, 'schemas'>,
  more: Partial<ExpectedSource> = {},
): ExpectedSource {
  const name = uniqueName('cdc');
  const table = (tableName: string, tenantColumn: string, required: string[], optional: string[]): SourceTable => ({
    schema: schemas.ventia,
    table: tableName,
    columns: [
      ...required.map((column) => ({ name: column, required: true })),
      ...optional.map((column) => ({ name: column, required: false })),
    ],
    keyColumn: 'id',
    tenantColumn,
  });
  return {
    tables: [
      table(
        'tenants',
        'id',
        ['id', 'name', 'slug', 'is_active', 'is_platform', 'timezone', 'created_at', 'updated_at'],
        [],
      ),
      table(
        'orders',
        'tenant_id',
        ['id', 'tenant_id', 'customer_name', 'customer_email', 'status', 'created_at', 'updated_at'],
        ['customer_phone', 'customer_id', 'no_such_column'],
      ),
    ],
    publication: name,
    slot: name,
    captured: false,
    confirmedAtMost: null,
    role: null,
    ...more,
  };
}
