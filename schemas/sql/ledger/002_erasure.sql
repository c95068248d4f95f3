-- Hashes of two keys cannot be compared: each erasure says by which it was made. And changes that are newer than all of a
-- tenant's erasures, as they normally are, need not be hashed.
ALTER TABLE cdc.erasure ADD COLUMN key_id text NOT NULL;
CREATE INDEX erasure_upto ON cdc.erasure (tenant_id, upto_version);

INSERT INTO cdc.migration (number) VALUES (2);
