import fc from 'fast-check';
import { RULES } from '../../support/events';
import { type Action, type Block, cutInto, histories } from '../../support/histories';
import { doubles, invalid, miscounted, overwritten, type Remembered, repeated } from '../../support/invariants';
import { type Portrait, play, pureStage } from '../../support/play';
import { holds, testsOf } from '../../support/properties';
import { PureStore } from '../../support/pure-store';
import { fingerprint, openSinks, type SinkWorld } from '../../support/sinks';
import { type SqlStage, sqlStage } from '../../support/sql-stage';

/**
 * Random histories through the real sinks on PostgreSQL, with the rights of their role, cut into random batches with crashes and
 * redelivery between them, against the same histories decided one event at a time in memory; then replayed.
 */
const RUNS = Number(process.env.HISTORIES ?? 200);
/** Databases worked on at the same time. */
const LANES = 3;

let worlds: SinkWorld[];
const WITHOUT_EMAIL_INDEX = 'DROP INDEX index_contacts_on_lower_email_account_id';

beforeAll(async () => {
  worlds = await Promise.all(
    Array.from({ length: LANES }, (_, lane) =>
      openSinks('repo', lane % 2 === 0 ? '' : WITHOUT_EMAIL_INDEX, lane === 2 ? 0 : undefined),
    ),
  );
});
afterAll(() => Promise.all(worlds.map((world) => world.close())));

/** Where a batch is cut off from the next, and what happens to it. */
interface Cut {
  readonly here: boolean;
  /** Killed before the commit; after it, before the offset is committed; or with only a part of the batch committed. */
  readonly fate: 'done' | 'rolled back' | 'twice' | 'in part first';
}
const cut: fc.Arbitrary<Cut> = fc.record({
  here: fc.nat({ max: 2 }).map((n) => n === 0),
  fate: fc.constantFrom<Cut['fate'][]>('done', 'done', 'rolled back', 'twice', 'in part first'),
});
const cuts = fc.array(cut, { minLength: 60, maxLength: 60 });

async function decidedAlone(actions: readonly Action[]): Promise<Portrait> {
  const store = new PureStore(RULES);
  await play(
    pureStage(store),
    cutInto(actions, () => true),
  );
  return pureStage(store).portrait() as Portrait;
}

async function deliver(stage: SqlStage, block: Block, { fate }: Cut): Promise<void> {
  if ('events' in block) {
    const { events } = block;
    if (fate === 'rolled back') await stage.applyAndDie(events);
    if (fate === 'twice') await stage.apply(events);
    if (fate === 'in part first') await stage.apply(events.slice(0, Math.ceil(events.length / 2)));
  }
  await play(stage, [block]);
}

/** The events alone, again: from anywhere, stuttered, and each tenant by itself. */
function replaysOf(actions: readonly Action[], from: number): Action[][] {
  const log = actions.filter((action) => action.do === 'event');
  const tenantOf = ({ event }: (typeof log)[number]) => event.after?.tenant_id ?? event.before?.tenant_id ?? event.id;
  return [
    log,
    log.slice(from % (log.length + 1)),
    log.flatMap((action) => [action, action]),
    log.toSorted((a, b) => Number(tenantOf(a)) - Number(tenantOf(b))),
  ];
}

async function tell(world: SinkWorld, actions: readonly Action[], cutting: readonly Cut[], from: number) {
  await emptied(world);
  const stage = sqlStage(world, 1000);
  const cutOf = (event: number) => cutting[event % cutting.length]!;
  const blocks = cutInto(actions, (event) => cutOf(event).here);
  let before = await lookAt(world);
  for (const [i, block] of blocks.entries()) {
    await deliver(stage, block, cutOf(i));
    const after = await lookAt(world);
    if ('events' in block) {
      await holds('Invariant 10', () => expect(overwritten(before.contacts, after.contacts)).toEqual([]));
      await holds('K5', () => expect(foreignOf(after)).toMatchObject(foreignOf(before)));
      await holds('K7', () => expect(after.elsewhere).toEqual(before.elsewhere));
    }
    before = after;
  }
  const portrait = await stage.portrait();
  await holds('K8', async () => expect(portrait).toEqual(await decidedAlone(actions)));
  await holds('K1', () => expect(doubles(portrait)).toEqual([]));
  await holds('K2', () => expect(invalid(portrait)).toEqual([]));
  await holds('K3', async () => {
    expect(miscounted(portrait)).toEqual([]);
    expect(await wrongTotals(world)).toEqual([]);
  });
  await holds('K6', () => expect(repeated(portrait)).toEqual([]));

  const written = stage.writes;
  const rows = await fingerprint(world);
  for (const replay of replaysOf(actions, from))
    await play(
      stage,
      cutInto(replay, (event) => cutOf(event + from).here),
    );
  await holds('K4', async () => {
    expect(stage.writes).toBe(written);
    expect(await fingerprint(world)).toEqual(rows);
  });
}

testsOf(
  {
    K1: 'no two contacts of an account share an e-mail or a phone',
    K2: 'every phone and e-mail that is written passes the validations of Messaging',
    K3: 'total_orders is what the ledger counts, recomputed by the database',
    K4: 'everything again, any suffix, stuttered and by tenant, in other batches: no row is written anywhere',
    K5: 'blocked, identifier, birthdate and the keys of others are as they were',
    K6: 'a conflict is recorded once',
    K7: 'no row outside accounts, labels, contacts and the ledger changes',
    K8: 'any cut into batches, with crashes and redelivery between them, gives what single events give',
    'Invariant 10': 'what people and the application wrote is not overwritten, and no contact is removed',
  },
  () =>
    Promise.all(
      worlds.map((world) =>
        fc.check(
          fc.asyncProperty(histories(45), cuts, fc.nat(), (actions, cutting, from) =>
            tell(world, actions, cutting, from),
          ),
          {
            numRuns: Math.ceil(RUNS / LANES),
            interruptAfterTimeLimit: 30_000 + RUNS * 1800,
            markInterruptAsFailure: true,
          },
        ),
      ),
    ),
  60_000 + RUNS * 2000,
);

const emptied = (world: SinkWorld) =>
  world.rows(
    `TRUNCATE accounts, labels, contacts, inboxes, contact_inboxes,
       tenant_fact, order_fact, identity_alias, contact_memory, conflict, tenant_lock, checkpoint CASCADE`,
  );

interface Look {
  /** `foreign`: fields of which we write none. */
  readonly contacts: readonly (Remembered & { readonly foreign: unknown })[];
  /** Every row of the tables that are none of the sinks' business. */
  readonly elsewhere: unknown;
}

async function lookAt(world: SinkWorld): Promise<Look> {
  const [look] = await world.rows<Look>(
    `SELECT (SELECT coalesce(jsonb_agg(jsonb_build_object('id', c.id::text, 'name', c.name, 'email', c.email, 'phone', phone_number,
         'shadow', jsonb_build_object('name', shadow_name, 'email', shadow_email, 'phone', shadow_phone),
         'foreign', jsonb_build_array(identifier, blocked, birthdate, additional_attributes, last_activity_at, c.created_at,
           CASE WHEN jsonb_typeof(custom_attributes) = 'object'
             THEN custom_attributes - ARRAY['total_orders', 'ventia_customer_id'] ELSE '{}' END))), '[]')
       FROM contacts c LEFT JOIN contact_memory m ON m.contact_id = c.id::text) AS contacts,
      (SELECT jsonb_agg(jsonb_build_array(o.xmin::text, o.row)) FROM (
         SELECT xmin, to_jsonb(i) AS row FROM inboxes i UNION ALL SELECT xmin, to_jsonb(c) FROM contact_inboxes c
         UNION ALL SELECT xmin, to_jsonb(c) FROM conversations c) o) AS elsewhere`,
  );
  return look!;
}

const foreignOf = ({ contacts }: Look) => Object.fromEntries(contacts.map(({ id, foreign }) => [id, foreign]));

/** K3, by the database from the ledger: orders that are there and not cancelled, each once. */
const wrongTotals = (world: SinkWorld) =>
  world.rows(
    `SELECT c.id, c.custom_attributes, orders FROM contacts c
     JOIN (SELECT contact_id, count(DISTINCT okey) FILTER (WHERE NOT deleted AND status IS DISTINCT FROM 'Cancelado') AS orders
           FROM order_fact WHERE contact_id IS NOT NULL GROUP BY contact_id) f ON f.contact_id = c.id::text
     WHERE c.custom_attributes -> 'total_orders' IS DISTINCT FROM to_jsonb(orders)`,
  );
