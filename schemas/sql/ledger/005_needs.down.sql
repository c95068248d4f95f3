-- Takes 005_needs.sql back.
DELETE FROM cdc.migration WHERE number = 5;
ALTER TABLE cdc.migration DROP COLUMN needs;
