import type { Sql } from '../core/ports/sql';
import { DEFAULT_REGION, hasRegion } from './normalize/phone';

/** Time zones of tenants that tell no country: their phones are read as those of the default one. Of the ledger. */
export async function zonesWithoutRegion(sql: Sql): Promise<{ zones: string[]; region: string }> {
  const rows = await sql.query<{ timezone: string | null }>(
    'SELECT DISTINCT timezone FROM cdc.tenant_fact WHERE NOT deleted ORDER BY 1',
  );
  const zones = rows.map(({ timezone }) => timezone).filter((zone) => zone === null || !hasRegion(zone));
  return { zones: zones.map((zone) => zone ?? 'none'), region: DEFAULT_REGION };
}
