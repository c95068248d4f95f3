-- For the one-database profile: the questions that go across both schemas. May be run again; set-up does not run it.
--
-- A view holds on to the columns it names: Ventia's next ALTER COLUMN TYPE would be refused because of it. So the queries
-- stand in functions, whose text PostgreSQL does not track but inlines all the same: a condition on a view reaches the
-- indexes of the tables.

CREATE SCHEMA IF NOT EXISTS cdc;

CREATE OR REPLACE FUNCTION cdc.tenant_conversations_query()
RETURNS TABLE (
  tenant_id uuid, tenant_name text, account_id text, conversation_id bigint, conversation_status integer,
  contact_id text, contact_name text, contact_phone text, last_activity_at timestamp
)
LANGUAGE sql STABLE AS $$
  SELECT a.ventia_tenant_id, t.name::text, a.id::text, c.id, c.status,
         p.id::text, p.name::text, p.phone_number::text, c.last_activity_at
  FROM messaging.conversations c
  JOIN messaging.contacts p ON p.id = c.contact_id
  JOIN messaging.accounts a ON a.id = c.account_id
  JOIN ventia.tenants t ON t.id = a.ventia_tenant_id
$$;

-- SELECT * FROM cdc.tenant_conversations WHERE tenant_id = '...';
CREATE OR REPLACE VIEW cdc.tenant_conversations AS
  SELECT * FROM cdc.tenant_conversations_query();

CREATE OR REPLACE FUNCTION cdc.accounts_without_tenant_query()
RETURNS TABLE (account_id text, account_name text, tenant_id uuid)
LANGUAGE sql STABLE AS $$
  SELECT a.id::text, a.name::text, a.ventia_tenant_id
  FROM messaging.accounts a
  WHERE NOT EXISTS (SELECT FROM ventia.tenants t WHERE t.id = a.ventia_tenant_id)
$$;

-- What a foreign key would refuse: accounts of tenants that do not exist (any more). Empty is well.
CREATE OR REPLACE VIEW cdc.accounts_without_tenant AS
  SELECT * FROM cdc.accounts_without_tenant_query();
