-- The sinks' ledger, in the messaging database, written in the same transactions as the data it is about. It is state:
-- it is backed up and restored with the messaging schema. Run once, as the owner of the database.
--
-- Ids are text in PostgreSQL's own form, because installations differ (uuid, bigint, integer) and the ledger is the same
-- everywhere; a contact's id is compared as text. Versions are positions in the source's history (epoch, commit LSN,
-- ordinal) as fixed-width hexadecimal, so that text order is their order. Times of the source are microseconds since 1970
-- UTC: exact, and infinity is just a number. What is only compared for being equal is so by its bytes ("C"), which is several
-- times as fast as in a language's order. No foreign key leads into the application's tables: it may delete what it likes.
--
-- Row writes decide the sinks' speed. Few indexes, none on a column that an ordinary change touches, and room left in the
-- pages, so that updates stay in their page (HOT).

CREATE SCHEMA IF NOT EXISTS cdc;

CREATE TABLE cdc.migration (
  number integer PRIMARY KEY,
  applied_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO cdc.migration (number) VALUES (1);

CREATE TABLE cdc.tenant_fact (
  tenant_id text COLLATE "C" PRIMARY KEY,
  name text, -- as the source had it last; null: only a DELETE was seen
  is_active boolean NOT NULL,
  timezone text,
  version text COLLATE "C" NOT NULL,
  deleted boolean NOT NULL
);

CREATE TABLE cdc.order_fact (
  order_id text COLLATE "C" PRIMARY KEY,
  tenant_id text COLLATE "C", -- null: of a DELETE that did not tell it
  contact_id text COLLATE "C", -- one that no longer exists marks a person whom an agent deleted or merged
  phone text,
  email text,
  name text,
  customer_id text,
  order_count bigint,
  status text,
  okey text, -- what counts as one order
  created_us bigint,
  commit_us bigint NOT NULL, -- of the order's newest change
  version text COLLATE "C" NOT NULL,
  deleted boolean NOT NULL,
  erased boolean NOT NULL, -- personal data was erased on request, and that of later versions is ignored
  parked boolean NOT NULL, -- waits for its tenant
  raw_phone text -- only while parked: without the tenant its region is not known
) WITH (fillfactor = 80);
CREATE INDEX order_fact_contact ON cdc.order_fact (contact_id);
CREATE INDEX order_fact_parked ON cdc.order_fact (tenant_id) WHERE parked AND NOT deleted;

-- Values by which a contact was known once.
CREATE TABLE cdc.identity_alias (
  account_id text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL CHECK (kind IN ('customer_id', 'phone', 'email')),
  value text COLLATE "C" NOT NULL,
  contact_id text COLLATE "C" NOT NULL,
  PRIMARY KEY (account_id, kind, value)
);
CREATE INDEX identity_alias_phone ON cdc.identity_alias (contact_id) WHERE kind = 'phone';

-- What we remember of a contact: whether we made it, and the last value we wrote into each field. One row instead of an
-- origin and three shadows.
CREATE TABLE cdc.contact_memory (
  contact_id text COLLATE "C" PRIMARY KEY,
  account_id text COLLATE "C" NOT NULL,
  ours boolean NOT NULL,
  shadow_name text,
  shadow_email text,
  shadow_phone text
) WITH (fillfactor = 90);

-- Values that were not written because a person or another contact comes first. For one order, contact, other and field
-- the first reason stays. other_id is '' when there is none.
CREATE TABLE cdc.conflict (
  order_id text COLLATE "C" NOT NULL,
  contact_id text COLLATE "C" NOT NULL,
  other_id text COLLATE "C" NOT NULL,
  field text NOT NULL,
  reason text NOT NULL,
  found_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (order_id, contact_id, other_id, field)
);

-- Who was erased: no value, only its keyed hash. An order not newer than upto_version is stored without personal data.
CREATE TABLE cdc.erasure (
  tenant_id text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL,
  hmac text NOT NULL,
  upto_version text COLLATE "C" NOT NULL,
  erased_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, kind, hmac)
);

-- Changes that could not be applied; the others went on.
CREATE TABLE cdc.dead_letter (
  source_table text NOT NULL,
  row_id text COLLATE "C" NOT NULL,
  version text COLLATE "C" NOT NULL,
  tenant_id text COLLATE "C",
  code text NOT NULL, -- of the error manual
  sql_state text,
  reason text NOT NULL, -- holds no value of the row
  event jsonb, -- the columns of the contract, to try again; null: the parked order in order_fact
  failed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (source_table, row_id, version)
);

-- How far each partition is applied. For status and audit: the consumer group's offsets are the resume point.
CREATE TABLE cdc.checkpoint (
  topic text NOT NULL,
  partition integer NOT NULL,
  last_offset bigint NOT NULL, -- of the last batch, so it goes back with a replay
  version text COLLATE "C", -- the highest applied; null before the first change
  applied_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);

-- Both sinks lock their tenants here, ascending, and never a row of the application.
CREATE TABLE cdc.tenant_lock (
  tenant_id text COLLATE "C" PRIMARY KEY,
  partition integer -- where its records are: what a truncate of that partition is about
);

-- Orders whose tenant has not come, the oldest first.
CREATE VIEW cdc.parked_orders AS
SELECT order_id, tenant_id, to_timestamp(commit_us / 1000000.0) AS since,
       now() - to_timestamp(commit_us / 1000000.0) AS age
FROM cdc.order_fact
WHERE parked AND NOT deleted
ORDER BY commit_us;

CREATE VIEW cdc.conflict_summary AS
SELECT reason, count(*) AS orders, min(found_at) AS first_found_at, max(found_at) AS last_found_at
FROM cdc.conflict
GROUP BY reason
ORDER BY orders DESC;
