import type { ApplyResult, Sink, SinkBatch } from '../core/ports/sink';
import type { Database, Sql } from '../core/ports/sql';
import { comparePositions, formatPosition, type Position } from '../core/position';
import { attempt, createTools, type Tools } from './attempt';
import { readBacklog } from './backlog';
import type { MessagingCatalog } from './catalog';
import { setAside, settleDeadLetters } from './dead-letters';
import { MANY_ORDERS } from './decide/rest';
import type { Rules } from './decide/rules';
import { canonicalId } from './decide/values';
import { lockTenants, tenantsOf } from './locks';
import type { PrivacyKey } from './privacy';
import { MoreLocksNeeded } from './race';
import { Tally } from './tally';
import { parked, placeable, type Read, readEvents, type Subject, tenantsNamed, truncated, type Work } from './work';

export interface SinkDependencies {
  readonly database: Database;
  readonly catalog: MessagingCatalog;
  /** The same for both sinks: the accounts sink places orders too. */
  readonly rules: Rules;
  /** Of PRIVACY_KEY; absent where none is set. */
  readonly privacy?: PrivacyKey | null;
  /** Beyond so many orders a contact's are not loaded one by one; the result is the same. */
  readonly manyOrders?: number;
}

/** Applies `ventia.tenants`: accounts and their labels, and the orders that waited for their tenant. */
export const createAccountsSink = (dependencies: SinkDependencies): Sink => createSink('tenants', dependencies);

/** Applies `ventia.orders`: contacts. */
export const createContactsSink = (dependencies: SinkDependencies): Sink => createSink('orders', dependencies);

/** Decided and written at a time, within one transaction: a late tenant may bring any number of orders. */
const MAX_ITEMS = 5000;

function createSink(
  subject: Subject,
  { database, catalog, rules, privacy = null, manyOrders = MANY_ORDERS }: SinkDependencies,
): Sink {
  const tools = createTools(catalog, rules, privacy, manyOrders);
  return {
    backlog: () => readBacklog(database, subject),
    async apply(batch) {
      const reads = readEvents(subject, batch.events, rules);
      const further = new Set<string>();
      for (;;) {
        try {
          return await database.transaction(
            (sql) => applyReads(sql, subject, catalog, tools, batch, reads, further),
            BY_INDEX,
          );
        } catch (error) {
          if (!(error instanceof MoreLocksNeeded)) throw error;
          for (const id of error.tenantIds) further.add(id);
        }
      }
    },
  };
}

/**
 * Every look-up is by an index, row by row: the cost of a batch is that of its rows. The planner's other ways read whole tables,
 * above all in a first load, when what it knows of their size is old.
 */
const BY_INDEX =
  'SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL jit = off';

async function applyReads(
  sql: Sql,
  subject: Subject,
  catalog: MessagingCatalog,
  tools: Tools,
  batch: SinkBatch,
  reads: readonly Read[],
  further: ReadonlySet<string>,
): Promise<ApplyResult> {
  const { partition } = batch;
  const named = tenantsNamed(reads);
  const others = new Set(further);
  if (reads.some((read) => 'truncate' in read)) for (const id of await tenantsOf(sql, partition)) others.add(id);
  await lockTenants(sql, named, others, partition);
  const locked = new Set([...named, ...others]);

  const tally = new Tally();
  const doAll = async (work: readonly Work[]) => {
    for (let start = 0; start < work.length; start += MAX_ITEMS) {
      tally.add(await attempt(sql, tools, work.slice(start, start + MAX_ITEMS), locked));
    }
  };
  const ids = batch.events.map(({ id }) => canonicalId(id));
  let work = subject === 'orders' ? await placeable(sql, catalog, named, ids) : [];
  const waiting = subject === 'tenants' ? byTenant(await parked(sql, [...named], [])) : new Map<string, Work[]>();
  for (const read of reads) {
    if ('item' in read) {
      work.push(read);
      // Parents before children: its orders are placed when a tenant has come, or its account is there again.
      if (read.item.kind === 'tenant' && read.item.change.row)
        work.push(...(waiting.get(read.item.change.tenantId) ?? []));
    } else if ('error' in read) {
      tally.writes += await setAside(sql, subject, canonicalId(read.event.id), read.event, read.error, null);
      tally.deadLetters++;
      tally.outcome(read.event, 'dead letter');
    } else {
      await doAll(work);
      work = await truncated(sql, subject, read.truncate, partition);
      tally.truncate(read.truncate, work.length);
    }
  }
  await doAll(work);
  if (await checkpoint(sql, batch)) tally.writes += await settleDeadLetters(sql, subject, ids);
  return tally.result();
}

function byTenant(waiting: readonly Work[]): Map<string, Work[]> {
  const groups = new Map<string, Work[]>();
  for (const one of waiting) {
    if (one.item.kind !== 'place') continue;
    const group = groups.get(one.item.tenantId);
    if (group) group.push(one);
    else groups.set(one.item.tenantId, [one]);
  }
  return groups;
}

/**
 * The highest position of the partition stays, whatever is replayed (Invariant 3). True when there are dead letters: asked in
 * passing, because there are hardly ever any.
 */
async function checkpoint(sql: Sql, { topic, partition, lastOffset, events }: SinkBatch): Promise<boolean> {
  let highest: Position | null = null;
  for (const { position } of events) if (!highest || comparePositions(position, highest) > 0) highest = position;
  const [row] = await sql.query<{ dead_letters: boolean }>(
    `INSERT INTO cdc.checkpoint AS c (topic, partition, last_offset, version) VALUES ($1, $2, $3, $4)
     ON CONFLICT (topic, partition) DO UPDATE
     SET last_offset = excluded.last_offset, version = greatest(c.version, excluded.version), applied_at = now()
     RETURNING EXISTS (SELECT FROM cdc.dead_letter) AS dead_letters`,
    [topic, partition, lastOffset, highest && formatPosition(highest)],
    'checkpoint',
  );
  return row!.dead_letters;
}
