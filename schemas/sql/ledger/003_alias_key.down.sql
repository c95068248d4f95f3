-- Takes 003_alias_key.sql back.
DELETE FROM cdc.migration WHERE number = 3;
ALTER TABLE cdc.identity_alias DROP CONSTRAINT identity_alias_pkey, ADD PRIMARY KEY (account_id, kind, value);
