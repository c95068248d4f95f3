-- The values by which a contact that we made was first known are in the row that remembers it: one row instead of four, and a
-- third of the writing. Those it comes to be known by later are in identity_alias; no value is in both.
ALTER TABLE cdc.contact_memory
  ADD COLUMN customer_id text COLLATE "C",
  ADD COLUMN phone text COLLATE "C",
  ADD COLUMN email text COLLATE "C";
-- A value with its account is one text, so that a batch's values are one array and one descent each, in every version of PostgreSQL.
CREATE UNIQUE INDEX contact_memory_customer_id ON cdc.contact_memory ((customer_id || ' ' || account_id)) WHERE customer_id IS NOT NULL;
CREATE UNIQUE INDEX contact_memory_phone ON cdc.contact_memory ((phone || ' ' || account_id)) WHERE phone IS NOT NULL;
CREATE UNIQUE INDEX contact_memory_email ON cdc.contact_memory ((email || ' ' || account_id)) WHERE email IS NOT NULL;
CREATE INDEX identity_alias_value ON cdc.identity_alias ((value || ' ' || account_id));
-- Every value by which a contact is or was known.
CREATE VIEW cdc.known_by AS
SELECT account_id, kind, value, contact_id FROM cdc.identity_alias
UNION ALL SELECT account_id, 'customer_id', customer_id, contact_id FROM cdc.contact_memory WHERE customer_id IS NOT NULL
UNION ALL SELECT account_id, 'phone', phone, contact_id FROM cdc.contact_memory WHERE phone IS NOT NULL
UNION ALL SELECT account_id, 'email', email, contact_id FROM cdc.contact_memory WHERE email IS NOT NULL;
INSERT INTO cdc.migration (number) VALUES (4);
