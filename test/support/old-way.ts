import type { Client } from 'pg';
import { MESSAGING_EMAIL } from '../../src/messaging/normalize/email';
import { MESSAGING_PHONE } from '../../src/messaging/normalize/phone';

/** How Ventia and Messaging were kept in step before: what this product replaces, to be compared with. */

export interface OldSchemas {
  readonly ventia: string;
  readonly messaging: string;
}

/** Ventia's own phone normalization: all digits run together behind a plus, in whatever country that falls. */
export function ventiaToday(raw: string | null): string | null {
  const phone = `+${(raw ?? '').replace(/\D/g, '')}`;
  return MESSAGING_PHONE.test(phone) ? phone : null;
}

/** The trigger, as it stood in the one database. */
export async function installTrigger(client: Client, { ventia, messaging }: OldSchemas): Promise<void> {
  await client.query(`
    CREATE OR REPLACE FUNCTION ${ventia}.sync_tenant_to_messaging() RETURNS TRIGGER AS $$ BEGIN
      INSERT INTO ${messaging}.accounts (ventia_tenant_id, name, created_at, updated_at)
      VALUES (NEW.id, NEW.name, NOW(), NOW()) ON CONFLICT (ventia_tenant_id) DO NOTHING;
      RETURN NEW;
    END; $$ LANGUAGE plpgsql;
    CREATE TRIGGER tenant_to_messaging_trigger AFTER INSERT ON ${ventia}.tenants
      FOR EACH ROW EXECUTE FUNCTION ${ventia}.sync_tenant_to_messaging();`);
}

interface OrderRow {
  readonly tenant_id: string | number;
  readonly customer_name: string | null;
  readonly customer_email: string | null;
  readonly customer_phone?: string | null;
  readonly customer_id?: string | null;
  readonly customer_order_count?: number | null;
}

/** Answers of the contacts endpoint, by status. */
export interface PollResult {
  created: number;
  /** Validation failed: 422, and nobody looked. */
  refused: number;
}

/** One round of the job: each recent order, posted to an endpoint that can only create. */
export async function pollOrders(
  source: Client,
  messaging: Client,
  schemas: OldSchemas,
  since = '-infinity',
): Promise<PollResult> {
  const { rows } = await source.query<{ row: OrderRow }>(
    `SELECT to_jsonb(o) AS row FROM ${schemas.ventia}.orders o WHERE created_at >= $1 ORDER BY created_at, id`,
    [since],
  );
  const result: PollResult = { created: 0, refused: 0 };
  for (const { row } of rows) {
    const created = await postContact(messaging, schemas.messaging, row.tenant_id, {
      name: row.customer_name ?? '',
      email: row.customer_email,
      phone_number: ventiaToday(row.customer_phone ?? null),
      custom_attributes: {
        ventia_customer_id: row.customer_id ?? null,
        total_orders: row.customer_order_count ?? 1,
      },
    });
    result[created ? 'created' : 'refused']++;
  }
  return result;
}

interface ContactBody {
  readonly name: string;
  readonly email: string | null;
  readonly phone_number: string | null;
  readonly custom_attributes: object;
}

/** POST /contacts with contact_type "customer" under Messaging's validations; false is its 422. */
async function postContact(client: Client, schema: string, tenant: string | number, body: ContactBody) {
  const email = body.email?.trim().toLowerCase() || null;
  if (email !== null && !MESSAGING_EMAIL.test(email)) return false;
  const { rowCount } = await client.query(
    `INSERT INTO ${schema}.contacts
       (account_id, name, email, phone_number, contact_type, custom_attributes, created_at, updated_at)
     SELECT a.id, $2, $3::varchar, $4::varchar, 2, $5, now(), now() FROM ${schema}.accounts a
     WHERE a.ventia_tenant_id = $1 AND NOT EXISTS (
       SELECT FROM ${schema}.contacts c
       WHERE c.account_id = a.id AND (lower(c.email) = $3::varchar OR c.phone_number = $4::varchar))`,
    [tenant, body.name, email, body.phone_number, JSON.stringify(body.custom_attributes)],
  );
  return rowCount === 1;
}
