-- Takes 001_ledger.sql back, with all that the sinks know. What others keep in the schema stays.
DROP VIEW cdc.conflict_summary, cdc.parked_orders;
DROP TABLE cdc.tenant_lock, cdc.checkpoint, cdc.dead_letter, cdc.erasure, cdc.conflict, cdc.contact_memory,
  cdc.identity_alias, cdc.order_fact, cdc.tenant_fact, cdc.migration;
