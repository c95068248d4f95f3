-- Messaging, profile seed: schema messaging beside Ventia's, accounts and contacts with uuid keys. Run once, as the owner
-- of the database; 001_tables.down.sql takes it back. As Rails makes them: timestamps without default, no CHECKs, every
-- foreign key NO ACTION.

CREATE SCHEMA messaging;

CREATE TABLE messaging.accounts (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name varchar NOT NULL,
  locale varchar DEFAULT 'en',
  status integer NOT NULL DEFAULT 0, -- active 0, suspended 1
  settings jsonb DEFAULT '{}',
  limits jsonb DEFAULT '{}',
  ventia_tenant_id uuid NOT NULL,
  notify_ai_messages boolean NOT NULL DEFAULT false,
  temperature_config jsonb DEFAULT '[]',
  created_at timestamp(6) NOT NULL,
  updated_at timestamp(6) NOT NULL
);
CREATE UNIQUE INDEX index_accounts_on_ventia_tenant_id ON messaging.accounts (ventia_tenant_id);

CREATE TABLE messaging.users (
  id bigserial PRIMARY KEY,
  ventia_user_id uuid NOT NULL UNIQUE,
  name varchar NOT NULL,
  email varchar NOT NULL,
  created_at timestamp(6) NOT NULL,
  updated_at timestamp(6) NOT NULL
);

CREATE TABLE messaging.contacts (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name varchar DEFAULT '',
  email varchar,
  phone_number varchar,
  identifier varchar,
  additional_attributes jsonb DEFAULT '{}',
  custom_attributes jsonb DEFAULT '{}',
  contact_type integer DEFAULT 0, -- visitor 0, lead 1, customer 2
  blocked boolean DEFAULT false,
  last_activity_at timestamp(6),
  birthdate date,
  account_id uuid NOT NULL REFERENCES messaging.accounts,
  created_at timestamp(6) NOT NULL,
  updated_at timestamp(6) NOT NULL
);
CREATE INDEX index_contacts_on_account_id ON messaging.contacts (account_id);
CREATE UNIQUE INDEX index_contacts_on_email_and_account_id
  ON messaging.contacts (email, account_id) WHERE email IS NOT NULL AND email <> '';
CREATE UNIQUE INDEX index_contacts_on_phone_number_and_account_id
  ON messaging.contacts (phone_number, account_id) WHERE phone_number IS NOT NULL AND phone_number <> '';
CREATE UNIQUE INDEX index_contacts_on_identifier_and_account_id
  ON messaging.contacts (identifier, account_id) WHERE identifier IS NOT NULL AND identifier <> '';

CREATE TABLE messaging.channel_whatsapp (
  id bigserial PRIMARY KEY,
  phone_number varchar NOT NULL UNIQUE,
  provider varchar DEFAULT 'whatsapp_cloud',
  provider_config jsonb DEFAULT '{}',
  message_templates jsonb DEFAULT '{}',
  account_id uuid NOT NULL REFERENCES messaging.accounts,
  created_at timestamp(6) NOT NULL,
  updated_at timestamp(6) NOT NULL
);

CREATE TABLE messaging.inboxes (
  id bigserial PRIMARY KEY,
  name varchar NOT NULL,
  channel_type varchar NOT NULL,
  channel_id bigint NOT NULL,
  account_id uuid NOT NULL REFERENCES messaging.accounts,
  greeting_enabled boolean DEFAULT false,
  greeting_message varchar,
  enable_auto_assignment boolean DEFAULT true,
  auto_assignment_config jsonb DEFAULT '{}',
  allow_messages_after_resolved boolean DEFAULT true,
  lock_to_single_conversation boolean NOT NULL DEFAULT false,
  working_hours_enabled boolean DEFAULT false,
  out_of_office_message varchar,
  timezone varchar DEFAULT 'UTC',
  created_at timestamp(6) NOT NULL,
  updated_at timestamp(6) NOT NULL
);
CREATE INDEX index_inboxes_on_account_id ON messaging.inboxes (account_id);

CREATE TABLE messaging.contact_inboxes (
  id bigserial PRIMARY KEY,
  contact_id uuid NOT NULL REFERENCES messaging.contacts,
  inbox_id bigint NOT NULL REFERENCES messaging.inboxes,
  source_id varchar NOT NULL,
  whatsapp_bsuid varchar,
  created_at timestamp(6) NOT NULL,
  updated_at timestamp(6) NOT NULL
);
CREATE INDEX index_contact_inboxes_on_contact_id ON messaging.contact_inboxes (contact_id);
CREATE UNIQUE INDEX index_contact_inboxes_on_source_id_and_inbox_id ON messaging.contact_inboxes (source_id, inbox_id);
CREATE UNIQUE INDEX index_contact_inboxes_on_whatsapp_bsuid_and_inbox_id
  ON messaging.contact_inboxes (whatsapp_bsuid, inbox_id) WHERE whatsapp_bsuid IS NOT NULL;

CREATE TABLE messaging.agent_bots (
  id bigserial PRIMARY KEY,
  name varchar NOT NULL,
  description varchar,
  bot_type integer DEFAULT 0,
  bot_config jsonb DEFAULT '{}',
  account_id uuid NOT NULL REFERENCES messaging.accounts,
  created_at timestamp(6) NOT NULL,
  updated_at timestamp(6) NOT NULL
);

CREATE TABLE messaging.campaigns (
  id bigserial PRIMARY KEY,
  title varchar NOT NULL,
  message text,
  campaign_type integer NOT NULL DEFAULT 0,
  campaign_status integer NOT NULL DEFAULT 4, -- draft
  inbox_id bigint NOT NULL REFERENCES messaging.inboxes,
  account_id uuid NOT NULL REFERENCES messaging.accounts,
  audience jsonb DEFAULT '[]',
  audience_type varchar,
  scheduled_at timestamp(6),
  sent_count integer NOT NULL DEFAULT 0,
  delivered_count integer NOT NULL DEFAULT 0,
  read_count integer NOT NULL DEFAULT 0,
  failed_count integer NOT NULL DEFAULT 0,
  created_at timestamp(6) NOT NULL,
  updated_at timestamp(6) NOT NULL
);

CREATE TABLE messaging.campaign_recipients (
  id bigserial PRIMARY KEY,
  campaign_id bigint NOT NULL REFERENCES messaging.campaigns,
  contact_id uuid REFERENCES messaging.contacts,
  phone varchar NOT NULL,
  status integer NOT NULL DEFAULT 0,
  created_at timestamp(6) NOT NULL,
  updated_at timestamp(6) NOT NULL,
  UNIQUE (campaign_id, phone)
);

CREATE TABLE messaging.conversations (
  id bigserial PRIMARY KEY,
  uuid uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
  status integer NOT NULL DEFAULT 0,
  priority integer DEFAULT 0,
  additional_attributes jsonb DEFAULT '{}',
  custom_attributes jsonb DEFAULT '{}',
  last_activity_at timestamp(6) NOT NULL,
  account_id uuid NOT NULL REFERENCES messaging.accounts,
  inbox_id bigint NOT NULL REFERENCES messaging.inboxes,
  contact_id uuid NOT NULL REFERENCES messaging.contacts,
  contact_inbox_id bigint NOT NULL REFERENCES messaging.contact_inboxes,
  assignee_id bigint REFERENCES messaging.users,
  team_id bigint,
  campaign_id bigint REFERENCES messaging.campaigns,
  assignee_agent_bot_id bigint REFERENCES messaging.agent_bots,
  ai_agent_enabled boolean NOT NULL DEFAULT true,
  stage varchar,
  temperature varchar,
  created_at timestamp(6) NOT NULL,
  updated_at timestamp(6) NOT NULL
);
CREATE INDEX index_conversations_on_contact_id ON messaging.conversations (contact_id);

CREATE TABLE messaging.messages (
  id bigserial PRIMARY KEY,
  content text,
  message_type integer NOT NULL,
  content_type integer NOT NULL DEFAULT 0,
  status integer DEFAULT 0,
  private boolean NOT NULL DEFAULT false,
  sender_type varchar,
  sender_id varchar,
  source_id varchar,
  content_attributes jsonb DEFAULT '{}',
  account_id uuid NOT NULL REFERENCES messaging.accounts,
  inbox_id bigint NOT NULL REFERENCES messaging.inboxes,
  conversation_id bigint NOT NULL REFERENCES messaging.conversations,
  message_search_ts tsvector GENERATED ALWAYS AS (to_tsvector('simple', coalesce(content, ''))) STORED,
  created_at timestamp(6) NOT NULL,
  updated_at timestamp(6) NOT NULL
);

CREATE TABLE messaging.labels (
  id bigserial PRIMARY KEY,
  title varchar NOT NULL,
  description text,
  color varchar NOT NULL,
  show_on_sidebar boolean,
  system boolean DEFAULT false,
  account_id uuid NOT NULL REFERENCES messaging.accounts,
  created_at timestamp(6) NOT NULL,
  updated_at timestamp(6) NOT NULL,
  UNIQUE (title, account_id)
);

CREATE TABLE messaging.automation_rules (
  id bigserial PRIMARY KEY,
  name varchar NOT NULL,
  event_name integer NOT NULL,
  conditions jsonb NOT NULL DEFAULT '[]',
  actions jsonb NOT NULL DEFAULT '[]',
  active boolean NOT NULL DEFAULT true,
  account_id uuid NOT NULL REFERENCES messaging.accounts,
  created_at timestamp(6) NOT NULL,
  updated_at timestamp(6) NOT NULL
);

CREATE TABLE messaging.notes (
  id bigserial PRIMARY KEY,
  content text NOT NULL,
  account_id uuid NOT NULL REFERENCES messaging.accounts,
  contact_id uuid NOT NULL REFERENCES messaging.contacts,
  user_id bigint REFERENCES messaging.users,
  created_at timestamp(6) NOT NULL,
  updated_at timestamp(6) NOT NULL
);
