import type { Sql } from '../core/ports/sql';
import type { MessagingCatalog } from './catalog';

/** An account whose tenant is not there: what a foreign key would refuse, were both in one database. */
export interface Orphan {
  readonly accountId: string;
  readonly tenantId: string;
  /** unknown: no change of the tenant was ever applied; deleted: its account is suspended, and stays. */
  readonly tenant: 'unknown' | 'deleted';
}

/**
 * Accounts whose tenant does not exist, by what the ledger knows: for any database and profile. With all tenants applied an
 * unknown one is a finding. (`cdc.accounts_without_tenant` asks Ventia's own table, where both schemas are in one database.)
 */
export function accountsWithoutTenant(sql: Sql, { tables }: MessagingCatalog): Promise<Orphan[]> {
  return sql.query<Orphan>(
    `SELECT a.id::text AS "accountId", a.ventia_tenant_id::text AS "tenantId",
            CASE WHEN t.tenant_id IS NULL THEN 'unknown' ELSE 'deleted' END AS tenant
     FROM ${tables.accounts} a LEFT JOIN cdc.tenant_fact t ON t.tenant_id = a.ventia_tenant_id::text
     WHERE t.tenant_id IS NULL OR t.deleted ORDER BY a.id`,
  );
}
