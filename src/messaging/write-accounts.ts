import type { Sql } from '../core/ports/sql';
import type { MessagingCatalog } from './catalog';
import type { Account } from './decide/values';
import type { World } from './decide/world';
import type { RealIds } from './ids';
import { RaceLost } from './race';
import { type Column, column, execute, query, type Rows, unnest } from './rows';
import { timestampText } from './timestamp';

export interface AccountWrites {
  readonly created: number;
  readonly updated: number;
  readonly labels: number;
}

/** Throws RaceLost when an account is no longer as it was when it was decided about. */
export async function writeAccounts(
  sql: Sql,
  statements: AccountStatements,
  world: World,
  ids: RealIds,
): Promise<AccountWrites> {
  const added: Account[] = [];
  const changed: Change[] = [];
  for (const { before, after } of world.accountChanges()) {
    if (before) changed.push({ was: before, now: after });
    else added.push(after);
  }
  const inserted = await query<Account, Inserted>(sql, statements.insert, added, ids);
  if (inserted.length < added.length) throw new RaceLost();
  const byTenant = new Map(inserted.map((row) => [row.tenant_id, row.id]));
  for (const account of added) ids.set(account.id, byTenant.get(account.tenantId)!);
  if ((await execute(sql, statements.update, changed, ids)) < changed.length) throw new RaceLost();
  const labelled = Array.from(world.labelled, (tenantId) => world.account(tenantId)!.id);
  const labels = await execute(sql, statements.labels, labelled, ids);
  return { created: added.length, updated: changed.length, labels };
}

interface Inserted {
  readonly id: string;
  readonly tenant_id: string;
}

interface Change {
  /** As it was decided about; the row must still be so. */
  readonly was: Account;
  readonly now: Account;
}

const NOW = `now() AT TIME ZONE 'UTC'`;

export interface AccountStatements {
  readonly insert: Rows<Account>;
  readonly update: Rows<Change>;
  readonly labels: Rows<string>;
}

export function accountStatements(catalog: MessagingCatalog): AccountStatements {
  return { insert: insertion(catalog), update: update(catalog), labels: labels(catalog) };
}

function insertion({ tables, types, has }: MessagingCatalog): Rows<Account> {
  const columns: Column<Account>[] = [
    column('tenant_id', types.tenant, (a) => a.tenantId),
    column('name', 'text', (a) => a.name),
    column('created_at', 'timestamp', (a) => timestampText(a.createdAt!)),
  ];
  const status = has['accounts.status'] ? ', status' : '';
  if (status) columns.push(column('status', 'integer', (a) => a.status));
  const text = `
    INSERT INTO ${tables.accounts} (ventia_tenant_id, name, created_at, updated_at${status})
    SELECT tenant_id, name, created_at, ${NOW}${status} FROM ${unnest(columns)}
    ON CONFLICT (ventia_tenant_id) DO NOTHING RETURNING id::text, ventia_tenant_id::text AS tenant_id`;
  return { name: 'insert_accounts', text, columns };
}

function update({ tables, types, has }: MessagingCatalog): Rows<Change> {
  const columns: Column<Change>[] = [
    column('id', types.account, ({ now }) => now.id),
    column('was_name', 'text', ({ was }) => was.name),
    column('name', 'text', ({ now }) => now.name),
  ];
  let assignment = '';
  let unchanged = 'a.name = u.was_name';
  if (has['accounts.status']) {
    columns.push(
      column('was_status', 'integer', ({ was }) => was.status),
      column('status', 'integer', ({ now }) => now.status),
    );
    assignment = 'status = u.status, ';
    unchanged += ' AND coalesce(a.status, 0) = u.was_status';
  }
  const text = `
    UPDATE ${tables.accounts} a SET name = u.name, ${assignment}updated_at = ${NOW}
    FROM ${unnest(columns)} WHERE a.id = u.id AND ${unchanged}`;
  return { name: 'update_accounts', text, columns };
}

/**
 * The labels that Rails' callback makes for an account of its own. One that has the title stays as it is; looked up first,
 * so that no number of the sequence is spent on it.
 */
function labels({ tables, types, has }: MessagingCatalog): Rows<string> {
  const columns = [column<string>('id', types.account, (id, ids) => ids.get(id))];
  const [system, value] = has['labels.system'] ? [', system', ', true'] : ['', ''];
  const text = `
    INSERT INTO ${tables.labels} (account_id, title, color, created_at, updated_at${system})
    SELECT u.id, l.title, l.color, ${NOW}, ${NOW}${value}
    FROM ${unnest(columns)}
    CROSS JOIN (VALUES ('soporte-humano', '#E91E63'), ('en-revisión', '#FF9800')) AS l (title, color)
    WHERE NOT EXISTS (SELECT FROM ${tables.labels} x WHERE x.account_id = u.id AND x.title = l.title)
    ON CONFLICT (title, account_id) DO NOTHING`;
  return { name: 'labels', text, columns };
}
