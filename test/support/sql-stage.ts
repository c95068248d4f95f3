import type { ChangeEvent, Row } from '../../src/core/change';
import type { Sink } from '../../src/core/ports/sink';
import { type Edit, TENANTS } from './histories';
import { type Portrait, ranking, type Seen, type Stage, sorted } from './play';
import { dyingBeforeCommit, type SinkWorld } from './sinks';

/** The same change of tenant and order `base` further on. */
export function shiftedBy(event: ChangeEvent, base: number): ChangeEvent {
  const row = (values: Row | null): Row | null =>
    values && ('tenant_id' in values ? { ...values, tenant_id: BigInt(base) + (values.tenant_id as bigint) } : values);
  return { ...event, id: String(base + Number(event.id)), before: row(event.before), after: row(event.after) };
}

/** On PostgreSQL, profile repo, whose ids grow; the history's ids are shifted by `base`, so that many fit in one database. */
export interface SqlStage extends Stage {
  /** Rows that the sinks wrote so far, as they count them. */
  readonly writes: number;
  /** Does everything but the commit. */
  applyAndDie(events: readonly ChangeEvent[]): Promise<void>;
}

export function sqlStage(world: SinkWorld, base: number): SqlStage {
  let writes = 0;
  let dying: Promise<{ accounts: Sink; contacts: Sink }> | undefined;
  const shifted = (id: string | number) => String(base + Number(id));
  const applyTo = (sinks: { accounts: Sink; contacts: Sink }, events: readonly ChangeEvent[]) => {
    const topic = events[0]!.table;
    const sink = topic === 'tenants' ? sinks.accounts : sinks.contacts;
    return sink.apply({
      topic: `ventia.${topic}`,
      partition: 0,
      lastOffset: 0n,
      events: events.map((event) => shiftedBy(event, base)),
    });
  };
  return {
    get writes() {
      return writes;
    },
    async applyAndDie(events) {
      dying ??= world.sinksWith({}, dyingBeforeCommit(world.database));
      await expect(applyTo(await dying, events)).rejects.toThrow('killed');
    },
    async apply(events) {
      const result = await applyTo(world, events);
      writes += result.writes;
      if (result.deadLetters > 0) throw new Error(JSON.stringify(await world.rows('SELECT * FROM cdc.dead_letter')));
    },
    contacts: (tenant) =>
      world.rows<Seen>(
        `SELECT c.id::text, c.email, c.phone_number AS phone FROM contacts c JOIN accounts a ON a.id = c.account_id
         WHERE a.ventia_tenant_id = $1 ORDER BY c.id`,
        [shifted(tenant)],
      ),
    hasAccount: async (tenant) =>
      (await world.rows('SELECT FROM accounts WHERE ventia_tenant_id = $1', [shifted(tenant)])).length > 0,
    async create(tenant, { name, email, phone, contactType, blocked, attributes }) {
      await world.rows(
        `INSERT INTO contacts (account_id, name, email, phone_number, contact_type, blocked, identifier, birthdate,
           custom_attributes, additional_attributes, created_at, updated_at)
         SELECT id, $2, $3, $4, $5, $6, gen_random_uuid(), '1990-05-17', $7, '{"city": "Lima"}', now(), now()
         FROM accounts WHERE ventia_tenant_id = $1`,
        [
          shifted(tenant),
          name,
          email,
          phone,
          contactType,
          blocked,
          { object: '{"talla": "M"}', null: null, array: '[]' }[attributes],
        ],
      );
    },
    async edit(id, fields) {
      const columns = { name: 'name', email: 'email', phone: 'phone_number' } as const;
      const given = (Object.keys(fields) as (keyof Edit)[]).filter((field) => fields[field] !== undefined);
      for (const field of given) {
        await world.rows(`UPDATE contacts SET ${columns[field]} = $2 WHERE id = $1`, [id, fields[field]]);
      }
    },
    async remove(id) {
      await world.rows('DELETE FROM contact_inboxes WHERE contact_id = $1', [id]);
      await world.rows('DELETE FROM contacts WHERE id = $1', [id]);
    },
    async converse(id) {
      await world.rows(
        `WITH inbox AS (INSERT INTO inboxes (name, channel_type, channel_id, account_id, created_at, updated_at)
           SELECT 'WhatsApp', 'Channel::Whatsapp', 1, account_id, now(), now() FROM contacts WHERE id = $1 RETURNING id)
         INSERT INTO contact_inboxes (contact_id, inbox_id, source_id, created_at, updated_at)
         SELECT $1, id, gen_random_uuid(), now(), now() FROM inbox`,
        [id],
      );
    },
    portrait: () => sqlPortrait(world, base),
  };
}

async function sqlPortrait(world: SinkWorld, base: number): Promise<Portrait> {
  const tenants = TENANTS.map((n) => String(base + n));
  const orders = Array.from({ length: 100 }, (_, n) => String(base + 100 + n));
  const accounts = await world.rows<{ tenant: number }>(
    'SELECT ventia_tenant_id AS tenant, name, status FROM accounts WHERE ventia_tenant_id = ANY ($1)',
    [tenants],
  );
  const contacts = await world.rows<
    Record<string, string | null> & { ours: boolean | null; contact_type: number | null }
  >(
    `SELECT c.id::text, a.ventia_tenant_id::text AS tenant, c.name, c.email, c.phone_number, c.contact_type,
            CASE WHEN jsonb_typeof(custom_attributes) = 'object' THEN custom_attributes ->> 'ventia_customer_id' END AS cid,
            CASE WHEN jsonb_typeof(custom_attributes) = 'object' THEN custom_attributes ->> 'total_orders' END AS total,
            m.ours, m.shadow_name, m.shadow_email, m.shadow_phone,
            (extract(epoch FROM c.created_at) * 1000000)::bigint::text AS born
     FROM contacts c JOIN accounts a ON a.id = c.account_id LEFT JOIN cdc.contact_memory m ON m.contact_id = c.id::text
     WHERE a.ventia_tenant_id = ANY ($1)`,
    [tenants],
  );
  const facts = await world.rows<
    Record<string, string | null> & { deleted: boolean; erased: boolean; parked: boolean }
  >('SELECT * FROM cdc.order_fact WHERE order_id = ANY ($1)', [orders]);
  const aliases = await world.rows<Record<string, string>>(
    `SELECT a.ventia_tenant_id - $2 AS tenant, kind, value, contact_id
     FROM cdc.known_by i JOIN accounts a ON a.id::text = i.account_id WHERE a.ventia_tenant_id = ANY ($1)`,
    [tenants, base],
  );
  const conflicts = await world.rows<Record<string, string>>('SELECT * FROM cdc.conflict WHERE order_id = ANY ($1)', [
    orders,
  ]);
  const ranks = ranking([
    ...contacts.map((contact) => contact.id!),
    ...facts.map((fact) => fact.contact_id!),
    ...aliases.map((alias) => alias.contact_id!),
    ...conflicts.flatMap((conflict) => [conflict.contact_id!, conflict.other_id!]),
  ]);
  const micros = (text: string | null | undefined) => (text ? BigInt(text) : null);
  return sorted({
    accounts: accounts.map((account) => ({ ...account, tenant: account.tenant - base })),
    contacts: contacts.map((c) => ({
      contact: ranks(c.id!)!,
      tenant: Number(c.tenant) - base,
      name: c.name!,
      email: c.email!,
      phone: c.phone_number!,
      contactType: c.contact_type,
      customerId: c.cid!,
      totalOrders: c.total ? Number(c.total) : null,
      ours: c.ours ?? false,
      shadow: { name: c.shadow_name!, email: c.shadow_email!, phone: c.shadow_phone! },
      createdAt: c.ours ? micros(c.born) : null,
    })),
    facts: facts.map((f) => ({
      orderId: String(Number(f.order_id) - base),
      tenantId: f.tenant_id ? Number(f.tenant_id) - base : null,
      phone: f.phone,
      email: f.email,
      name: f.name,
      customerId: f.customer_id,
      orderCount: f.order_count === null ? null : Number(f.order_count),
      status: f.status!,
      okey: f.okey?.startsWith('order:') ? `order:${Number(f.okey.slice(6)) - base}` : f.okey!,
      createdAt: micros(f.created_us),
      commitAt: micros(f.commit_us),
      version: f.version,
      deleted: f.deleted,
      erased: f.erased,
      parked: f.parked,
      rawPhone: f.raw_phone,
      contactId: ranks(f.contact_id!),
    })),
    aliases: aliases.map((alias) => `${alias.tenant} ${alias.kind} ${alias.value} ${ranks(alias.contact_id!)}`),
    conflicts: conflicts.map(
      (c) => `${Number(c.order_id) - base} ${c.reason} ${ranks(c.contact_id!)} ${ranks(c.other_id!)}`,
    ),
  });
}
