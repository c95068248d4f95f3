import type { Sql } from '../core/ports/sql';
import type { MessagingCatalog } from './catalog';
import type { Account } from './decide/values';
import type { World } from './decide/world';
import type { RealIds } from './ids';
import { insertNamed, type NamedRows } from './named-rows';
import { RaceLost } from './race';
import { arrayText, type Column, column, copy, execute, names, type Rows, unnest } from './rows';
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
  await insertNamed(sql, statements.insert, added, ids);
  if ((await execute(sql, statements.update, changed, ids)) < changed.length) throw new RaceLost();
  const labels = await writeLabels(sql, statements, world, ids);
  return { created: added.length, updated: changed.length, labels };
}

/**
 * The labels that Rails' callback makes for an account of its own. One that has the title stays as it is. Looked up first, new
 * accounts too, which a trigger may have given theirs: one that comes between is a race.
 */
async function writeLabels(sql: Sql, statements: AccountStatements, world: World, ids: RealIds): Promise<number> {
  const accounts = Array.from(world.labelled, (tenantId) => ids.get(world.account(tenantId)!.id));
  if (accounts.length === 0) return 0;
  const rows = await sql.query<{ label: string }>(statements.labelsOf, [arrayText(accounts)], 'labels_of');
  const there = new Set(rows.map(({ label }) => label));
  const missing = accounts.flatMap((accountId) =>
    LABELS.filter(({ title }) => !there.has(`${accountId} ${title}`)).map((label) => ({ accountId, ...label })),
  );
  return copy(sql, statements.labels.into, statements.labels.columns, missing, ids);
}

interface Change {
  /** As it was decided about; the row must still be so. */
  readonly was: Account;
  readonly now: Account;
}

const NOW = `now() AT TIME ZONE 'UTC'`;

const LABELS = [
  { title: 'soporte-humano', color: '#E91E63' },
  { title: 'en-revisión', color: '#FF9800' },
] as const;

interface Label {
  readonly accountId: string;
  readonly title: string;
  readonly color: string;
}

export interface AccountStatements {
  readonly insert: NamedRows<Account>;
  readonly update: Rows<Change>;
  /** Those of the accounts, as `id title`. */
  readonly labelsOf: string;
  readonly labels: { readonly into: string; readonly columns: readonly Column<Label>[] };
}

export function accountStatements(catalog: MessagingCatalog): AccountStatements {
  const { tables, types } = catalog;
  const titles = LABELS.map(({ title }) => `'${title}'`).join(', ');
  return {
    insert: insertion(catalog),
    update: update(catalog),
    labelsOf: `
      SELECT account_id || ' ' || title AS label FROM ${tables.labels}
      WHERE account_id = ANY ($1::${types.account}[]) AND title IN (${titles})`,
    labels: labelling(catalog),
  };
}

/** One that is there already is a unique violation, and that a race. The time is that of the transaction, in UTC. */
function insertion({ tables, types, has, newId }: MessagingCatalog): NamedRows<Account> {
  const columns: Column<Account>[] = [
    column('id', types.account, (a, ids) => ids.get(a.id)),
    column('ventia_tenant_id', types.tenant, (a) => a.tenantId),
    column('name', 'text', (a) => a.name),
    column('created_at', 'timestamp', (a) => timestampText(a.createdAt!)),
    column('updated_at', 'timestamp', () => 'now'),
  ];
  if (has['accounts.status']) columns.push(column('status', 'integer', (a) => a.status));
  return { into: tables.accounts, newId: newId.account, columns };
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

function labelling({ tables, types, has }: MessagingCatalog): AccountStatements['labels'] {
  const columns: Column<Label>[] = [
    column('account_id', types.account, ({ accountId }) => accountId),
    column('title', 'text', ({ title }) => title),
    column('color', 'text', ({ color }) => color),
    column('created_at', 'timestamp', () => 'now'),
    column('updated_at', 'timestamp', () => 'now'),
  ];
  if (has['labels.system']) columns.push(column('system', 'boolean', () => true));
  return { into: `${tables.labels} (${names(columns)})`, columns };
}
