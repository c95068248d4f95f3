-- Ventia, profile repo: a database of its own, schema public, integer keys, no phone on orders. Run once, as the owner of
-- the database; 001_tables.down.sql takes it back. Timestamps are UTC, written by the application.

CREATE TABLE tenants (
  id serial PRIMARY KEY,
  name varchar NOT NULL,
  slug varchar NOT NULL UNIQUE,
  company_id varchar UNIQUE,
  is_platform boolean NOT NULL DEFAULT false,
  is_active boolean NOT NULL DEFAULT true,
  timezone varchar(50) NOT NULL DEFAULT 'America/Lima',
  settings json,
  efact_ruc varchar(11),
  emisor_razon_social varchar,
  emisor_nombre_comercial varchar,
  emisor_direccion varchar,
  emisor_distrito varchar,
  emisor_provincia varchar,
  emisor_departamento varchar,
  n8n_reminder_workflow_id varchar,
  created_at timestamp NOT NULL,
  updated_at timestamp NOT NULL
);

CREATE TYPE userrole AS ENUM ('SUPERADMIN', 'ADMIN', 'LOGISTICA', 'VENTAS', 'VIEWER');

CREATE TABLE users (
  id serial PRIMARY KEY,
  auth0_user_id varchar NOT NULL UNIQUE,
  email varchar NOT NULL UNIQUE,
  name varchar,
  tenant_id integer NOT NULL REFERENCES tenants ON DELETE CASCADE,
  role userrole NOT NULL,
  is_active boolean NOT NULL DEFAULT true,
  last_login timestamp,
  created_at timestamp NOT NULL,
  updated_at timestamp NOT NULL
);

CREATE TABLE orders (
  id serial PRIMARY KEY,
  tenant_id integer NOT NULL REFERENCES tenants ON DELETE CASCADE,
  shopify_draft_order_id varchar,
  shopify_order_id varchar,
  woocommerce_order_id integer,
  customer_document_type varchar(1),
  customer_document_number varchar(11),
  customer_email varchar NOT NULL,
  customer_name varchar,
  total_price double precision NOT NULL,
  currency varchar NOT NULL,
  line_items json,
  validado boolean NOT NULL DEFAULT false,
  validated_at timestamp,
  payment_method varchar,
  notes text,
  status varchar NOT NULL DEFAULT 'Pendiente',
  expected_delivery_date date,
  dispatch_time_window varchar,
  shipping_address text,
  shipping_city varchar,
  shipping_province varchar,
  shipping_country varchar,
  channel varchar,
  messaging_conversation_id integer,
  created_at timestamp NOT NULL,
  updated_at timestamp NOT NULL,
  UNIQUE (tenant_id, shopify_draft_order_id),
  UNIQUE (tenant_id, woocommerce_order_id)
);

CREATE INDEX ix_orders_tenant_id ON orders (tenant_id);
