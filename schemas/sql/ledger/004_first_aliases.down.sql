-- Takes 004_first_aliases.sql back: all values are in identity_alias again.
DELETE FROM cdc.migration WHERE number = 4;
INSERT INTO cdc.identity_alias (account_id, kind, value, contact_id)
SELECT account_id, kind, value, contact_id FROM cdc.known_by ON CONFLICT DO NOTHING;
DROP VIEW cdc.known_by;
DROP INDEX cdc.identity_alias_value;
ALTER TABLE cdc.contact_memory DROP COLUMN customer_id, DROP COLUMN phone, DROP COLUMN email;
