import { CdcError } from '../core/errors';
import type { Sql } from '../core/ports/sql';
import { suspectsOf, withErased } from './decide/erased';
import type { Item } from './decide/item';
import type { Rules } from './decide/rules';
import type { World } from './decide/world';
import type { PrivacyKey } from './privacy';
import { arrayText } from './rows';

const ERASED = `
  SELECT k.ord FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY
    AS k (tenant_id, kind, hmac, version, ord)
  JOIN cdc.erasure e USING (tenant_id, kind, hmac) WHERE k.version <= e.upto_version`;

/**
 * The items, those marked that come from before an erasure and are of an erased person. With the subjects loaded. Throws
 * privacy_key when that cannot be told: better to wait than to bring somebody back.
 *
 * @param erasedUpto as {@link suspectsOf}
 */
export async function markErased(
  sql: Sql,
  world: World,
  items: readonly Item[],
  erasedUpto: ReadonlyMap<string, string | null>,
  rules: Rules,
  privacy: PrivacyKey | null,
): Promise<readonly Item[]> {
  const suspects = suspectsOf(world, items, erasedUpto, rules);
  if (suspects.length === 0) return items;
  await checkPrivacyKey(sql, privacy);
  const traces = suspects.flatMap((suspect) => suspect.traces.map((trace) => ({ ...suspect, ...trace })));
  const rows = await sql.query<{ ord: string }>(ERASED, [
    arrayText(traces.map(({ tenantId }) => tenantId)),
    arrayText(traces.map(({ kind }) => kind)),
    arrayText(traces.map(({ kind, value }) => privacy!.hash(kind, value))),
    arrayText(traces.map(({ version }) => version)),
  ]);
  return withErased(items, new Set(rows.map(({ ord }) => traces[Number(ord) - 1]!.index)));
}

/** Throws privacy_key when the ledger has erasures that this process cannot recognise. */
export async function checkPrivacyKey(sql: Sql, privacy: PrivacyKey | null): Promise<void> {
  const keys = await sql.query<{ key_id: string }>('SELECT DISTINCT key_id FROM cdc.erasure ORDER BY 1');
  const other = keys.find(({ key_id }) => key_id !== privacy?.id);
  if (!other) return;
  const here = privacy ? `PRIVACY_KEY is the key ${privacy.id}` : 'PRIVACY_KEY is not set';
  throw new CdcError('privacy_key', `persons were erased by the key ${other.key_id}, ${here}`);
}
