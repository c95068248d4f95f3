-- Takes 004_needs.sql back.
DELETE FROM cdc.migration WHERE number = 4;
ALTER TABLE cdc.migration DROP COLUMN needs;
