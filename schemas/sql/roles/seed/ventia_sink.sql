-- What the sinks may do in Messaging's database: read and write three tables, see which contacts have conversations, and
-- keep their ledger. Nothing is deleted, nothing else is read. May be run again.
-- The password is yours to set: ALTER ROLE ventia_sink PASSWORD '...';

DO $$
BEGIN
  CREATE ROLE ventia_sink;
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;
ALTER ROLE ventia_sink LOGIN;

GRANT USAGE ON SCHEMA messaging TO ventia_sink;
GRANT SELECT, INSERT, UPDATE ON messaging.accounts, messaging.labels, messaging.contacts TO ventia_sink;
GRANT SELECT ON messaging.contact_inboxes TO ventia_sink;
GRANT USAGE ON SEQUENCE messaging.labels_id_seq TO ventia_sink;

-- The ledger: its tables may be there already, or be made later by the role that runs this.
CREATE SCHEMA IF NOT EXISTS cdc;
GRANT ALL ON SCHEMA cdc TO ventia_sink;
GRANT ALL ON ALL TABLES IN SCHEMA cdc TO ventia_sink;
GRANT ALL ON ALL SEQUENCES IN SCHEMA cdc TO ventia_sink;
ALTER DEFAULT PRIVILEGES IN SCHEMA cdc GRANT ALL ON TABLES TO ventia_sink;
ALTER DEFAULT PRIVILEGES IN SCHEMA cdc GRANT ALL ON SEQUENCES TO ventia_sink;
