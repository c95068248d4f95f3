-- The look-ups every screen makes. The fourth, accounts by tenant, is index_accounts_on_ventia_tenant_id of 001.
CREATE INDEX index_conversations_on_account_id_and_status ON messaging.conversations (account_id, status);
CREATE INDEX index_messages_on_conversation_id_and_created_at ON messaging.messages (conversation_id, created_at DESC);
CREATE INDEX index_contacts_on_phone_number ON messaging.contacts (phone_number);
-- The sink finds people by e-mail in any case; without it each of its batches reads all contacts of its accounts.
CREATE INDEX index_contacts_on_lower_email_account_id ON messaging.contacts (lower(email), account_id);
