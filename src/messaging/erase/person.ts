import { CdcError } from '../../core/errors';
import type { Sql } from '../../core/ports/sql';
import type { MessagingCatalog } from '../catalog';
import { phonesOf } from '../decide/erased';
import type { Rules } from '../decide/rules';
import { type AliasKind, canonicalId } from '../decide/values';
import { normalizeEmail } from '../normalize/email';
import { canonicalOfVariant, type Region, regionOf } from '../normalize/phone';

/** Whom somebody asks to erase, as it was typed. */
export interface ErasureRequest {
  readonly tenantId: string;
  readonly kind: AliasKind;
  readonly value: string;
}

/** Who that is: the value as it is stored, and where the tenant lives. */
export interface Person {
  readonly tenantId: string;
  readonly kind: AliasKind;
  readonly value: string;
  /** Null: the tenant has none (yet). */
  readonly accountId: string | null;
  /** Null: not known yet. */
  readonly region: Region | null;
}

/** Throws tenant_unknown: a typing error would else erase nobody, and say that it is done. */
export async function identify(
  sql: Sql,
  { tables }: MessagingCatalog,
  request: ErasureRequest,
  rules: Rules,
): Promise<Person> {
  const tenantId = canonicalId(request.tenantId.trim());
  const [row] = await sql.query<{ known: boolean; named: boolean; timezone: string | null; account_id: string | null }>(
    `SELECT t.tenant_id IS NOT NULL OR a.id IS NOT NULL
              OR EXISTS (SELECT FROM cdc.order_fact WHERE tenant_id = k.id)
              OR EXISTS (SELECT FROM cdc.dead_letter WHERE tenant_id = k.id) AS known,
            t.name IS NOT NULL AS named, t.timezone, a.id::text AS account_id
     FROM (SELECT $1::text AS id) k
     LEFT JOIN cdc.tenant_fact t ON t.tenant_id = k.id
     LEFT JOIN ${tables.accounts} a ON a.ventia_tenant_id::text = k.id`,
    [tenantId],
  );
  if (!row?.known) throw new CdcError('tenant_unknown', 'there is neither an account nor an order of this tenant');
  const region = row.named ? regionOf(row.timezone) : null;
  const { kind } = request;
  return { tenantId, kind, value: normalized(kind, request.value, region, rules), accountId: row.account_id, region };
}

/** As the ledger and the columns have it; what no rule would ever have stored is looked for as it was typed. */
function normalized(kind: AliasKind, typed: string, region: Region | null, rules: Rules): string {
  const value = typed.trim();
  switch (kind) {
    case 'customer_id':
      return value;
    case 'email':
      return normalizeAnyEmail(value) ?? value.toLowerCase();
    case 'phone':
      return canonicalOfVariant(value) ?? phonesOf(value, region, rules)[0] ?? value;
  }
}

const NO_BLOCKLIST: ReadonlySet<string> = new Set();

/** An address that is blocked today may have been stored before. */
export const normalizeAnyEmail = (raw: string | null): string | null => normalizeEmail(raw, NO_BLOCKLIST);
