import type { ChangeEvent } from '../core/change';
import { CdcError, toCdcError } from '../core/errors';
import type { Sql } from '../core/ports/sql';
import type { MessagingCatalog } from './catalog';
import { setAside, setParkedAside } from './dead-letters';
import { applyItem, type Item } from './decide/item';
import { needsOf, rootsOf, subjectsOf } from './decide/needs';
import type { Rules } from './decide/rules';
import { World } from './decide/world';
import { markErased } from './erasures';
import { RealIds } from './ids';
import { createLoader, type Loader } from './load';
import type { PrivacyKey } from './privacy';
import { MoreLocksNeeded, RaceLost } from './race';
import { Tally } from './tally';
import type { Work } from './work';
import { type AccountStatements, accountStatements, writeAccounts } from './write-accounts';
import { type ContactStatements, contactStatements, writeContacts } from './write-contacts';
import { writeLedger } from './write-ledger';

/** What does not change between batches. */
export interface Tools {
  readonly loader: Loader;
  readonly accounts: AccountStatements;
  readonly contacts: ContactStatements;
  readonly rules: Rules;
  /** Null: persons may not have been erased. */
  readonly privacy: PrivacyKey | null;
  /** Beyond so many orders a contact's are not loaded one by one. */
  readonly manyOrders: number;
}

export const createTools = (
  catalog: MessagingCatalog,
  rules: Rules,
  privacy: PrivacyKey | null,
  manyOrders: number,
): Tools => ({
  loader: createLoader(catalog, rules),
  accounts: accountStatements(catalog),
  contacts: contactStatements(catalog),
  rules,
  privacy,
  manyOrders,
});

const TRIES = 5;

/**
 * Does the work in its order, in a savepoint: load, decide, write. When the application won a race it is looked at and
 * decided again; what cannot be done at all is narrowed down by halves (how the work is cut changes nothing) to the one
 * change it is about, which is set aside. Only trouble with the database itself is thrown.
 *
 * @param locked the tenants locked by this transaction
 */
export async function attempt(
  sql: Sql,
  tools: Tools,
  work: readonly Work[],
  locked: ReadonlySet<string>,
): Promise<Tally> {
  let failure: CdcError | null = null;
  for (let tries = 0; tries < TRIES; tries++) {
    await sql.execute('SAVEPOINT attempt');
    try {
      const tally = await decideAndWrite(sql, tools, work, locked);
      await sql.execute('RELEASE SAVEPOINT attempt');
      return tally;
    } catch (error) {
      failure = belongsToData(error);
      await sql.execute('ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt');
      if (!isRace(error)) break;
    }
  }
  if (work.length === 1) return giveUp(sql, work[0]!, failure!);
  const half = work.length >> 1;
  const tally = await attempt(sql, tools, work.slice(0, half), locked);
  tally.add(await attempt(sql, tools, work.slice(half), locked));
  return tally;
}

async function decideAndWrite(
  sql: Sql,
  { loader, accounts, contacts, rules, privacy, manyOrders }: Tools,
  work: readonly Work[],
  locked: ReadonlySet<string>,
): Promise<Tally> {
  const given = work.map(({ item }) => item);
  const world = new World();
  const { orderIds, tenantIds } = subjectsOf(given);
  const concerned = await loader.subjects(sql, world, orderIds, tenantIds);
  const unlocked = [...concerned.keys()].filter((id) => !locked.has(id));
  if (unlocked.length > 0) throw new MoreLocksNeeded(unlocked);
  const items = await markErased(sql, world, given, concerned, rules, privacy);
  const roots = rootsOf(world, items, rules);
  const more = needsOf(world, roots, manyOrders);
  for (let needs = more(); needs; needs = more()) await loader.needs(sql, world, needs);

  const tally = new Tally();
  items.forEach((item, i) => {
    tally.step(work[i]!, applyItem(world, item, rules));
  });

  const ids = new RealIds();
  const accountWrites = await writeAccounts(sql, accounts, world, ids);
  const contactWrites = await writeContacts(sql, contacts, world, ids);
  const ledger = await writeLedger(sql, world, ids);
  tally.created = accountWrites.created + contactWrites.created;
  tally.updated = accountWrites.updated + contactWrites.updated;
  tally.writes = tally.created + tally.updated + accountWrites.labels + ledger.rows;
  for (const reason of ledger.conflicts) tally.conflict(reason);
  return tally;
}

async function giveUp(sql: Sql, { item, event }: Work, error: CdcError): Promise<Tally> {
  const tally = new Tally();
  tally.deadLetters = 1;
  tally.writes = await setItemAside(sql, item, event!, error);
  if (event) tally.outcome(event, 'dead letter');
  return tally;
}

function setItemAside(sql: Sql, item: Item, event: ChangeEvent, error: CdcError): Promise<number> {
  switch (item.kind) {
    case 'place':
      return setParkedAside(sql, item.orderId, item.tenantId, error);
    case 'order':
      return setAside(sql, 'orders', item.change.orderId, event, error, item.change.tenantId);
    case 'tenant':
      return setAside(sql, 'tenants', item.change.tenantId, event, error, item.change.tenantId);
  }
}

/** Unique and foreign keys: the application inserted the same person, or removed the account. */
const isRace = (error: unknown): boolean =>
  error instanceof RaceLost || (error instanceof CdcError && /^2350[35]$/.test(error.sqlState ?? ''));

/** SQLSTATE classes of what is wrong with values, or of what the application's own triggers and constraints refuse. */
const ABOUT_DATA = /^(21|22|23|44|54|P0)/;

/** The error when it is about the changes themselves; anything else is thrown on, to be tried again as a whole. */
function belongsToData(error: unknown): CdcError {
  if (error instanceof MoreLocksNeeded) throw error;
  if (error instanceof RaceLost)
    return new CdcError('messaging_conflict', 'the application won the race every time', { cause: error });
  const known = toCdcError(error);
  if (known.sqlState === undefined ? known.kind === 'internal' : ABOUT_DATA.test(known.sqlState)) return known;
  throw known;
}
