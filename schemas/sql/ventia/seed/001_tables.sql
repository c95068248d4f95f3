-- Ventia, profile seed: schema ventia, uuid keys. Run once, as the owner of the database; 001_tables.down.sql takes it back.

CREATE SCHEMA ventia;

CREATE TABLE ventia.tenants (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name varchar NOT NULL,
  slug varchar NOT NULL UNIQUE,
  company_id varchar UNIQUE,
  is_platform boolean NOT NULL DEFAULT false,
  is_active boolean NOT NULL DEFAULT true,
  timezone varchar(50) NOT NULL DEFAULT 'America/Lima',
  settings jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TYPE ventia.user_role AS ENUM ('SUPERADMIN', 'ADMIN', 'LOGISTICA', 'VENTAS', 'VIEWER');

CREATE TABLE ventia.users (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  auth0_user_id varchar NOT NULL UNIQUE,
  email varchar NOT NULL UNIQUE,
  name varchar,
  tenant_id uuid NOT NULL REFERENCES ventia.tenants ON DELETE CASCADE,
  role ventia.user_role NOT NULL DEFAULT 'VIEWER',
  is_active boolean NOT NULL DEFAULT true,
  last_login timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE ventia.shopify_stores (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL REFERENCES ventia.tenants ON DELETE CASCADE,
  shop_domain varchar NOT NULL UNIQUE,
  access_token varchar NOT NULL,
  is_active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE ventia.orders (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL REFERENCES ventia.tenants ON DELETE CASCADE,
  order_number varchar,
  shopify_draft_order_id varchar,
  shopify_order_id varchar,
  woocommerce_order_id integer,
  customer_id varchar,
  customer_name varchar,
  customer_email varchar,
  customer_phone varchar,
  customer_order_count integer,
  customer_document_type varchar(1),
  customer_document_number varchar(11),
  total_amount numeric(12, 2) NOT NULL DEFAULT 0,
  currency varchar NOT NULL DEFAULT 'PEN',
  line_items jsonb NOT NULL DEFAULT '[]',
  payment_method varchar,
  notes text,
  status varchar DEFAULT 'Pendiente',
  shipping_address text,
  shipping_city varchar,
  channel varchar,
  messaging_conversation_id bigint,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  UNIQUE (tenant_id, shopify_draft_order_id),
  UNIQUE (tenant_id, woocommerce_order_id)
);

CREATE INDEX orders_tenant_created ON ventia.orders (tenant_id, created_at DESC);
