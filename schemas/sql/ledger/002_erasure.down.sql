-- Takes 002_erasure.sql back: who was erased stays, by which key no longer.
DELETE FROM cdc.migration WHERE number = 2;
DROP INDEX cdc.erasure_upto;
ALTER TABLE cdc.erasure DROP COLUMN key_id;
