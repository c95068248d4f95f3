DROP VIEW cdc.tenant_conversations;
DROP VIEW cdc.accounts_without_tenant;
DROP FUNCTION cdc.tenant_conversations_query();
DROP FUNCTION cdc.accounts_without_tenant_query();
