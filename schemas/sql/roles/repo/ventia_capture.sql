-- What capture may do in Ventia's database: replicate, and read the contract's columns for snapshots. May be run again.
-- The password is yours to set: ALTER ROLE ventia_capture PASSWORD '...';

DO $$
BEGIN
  CREATE ROLE ventia_capture;
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;
ALTER ROLE ventia_capture LOGIN REPLICATION;

GRANT USAGE ON SCHEMA public TO ventia_capture;
GRANT SELECT (id, name, slug, is_active, is_platform, timezone, created_at, updated_at)
  ON public.tenants TO ventia_capture;
GRANT SELECT (
  id, tenant_id, customer_name, customer_email, status, total_price, currency, channel, payment_method,
  shopify_draft_order_id, shopify_order_id, woocommerce_order_id, created_at, updated_at
) ON public.orders TO ventia_capture;
