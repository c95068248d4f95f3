import fc from 'fast-check';
import { MESSAGING_EMAIL } from '../../../src/messaging/normalize/email';
import { MESSAGING_PHONE } from '../../../src/messaging/normalize/phone';
import { RULES } from '../../support/events';
import { type Action, type Block, cutInto, histories } from '../../support/histories';
import { type Portrait, play, pureStage } from '../../support/play';
import { PureStore } from '../../support/pure-store';
import { fingerprint, openSinks, type SinkWorld } from '../../support/sinks';
import { sqlStage } from '../../support/sql-stage';

/**
 * Random histories through the real sink on PostgreSQL, cut into random batches, against the same histories decided one event
 * at a time in memory.
 */
const RUNS = Number(process.env.HISTORIES ?? 60);
jest.setTimeout(60_000 + RUNS * 2000);

let world: SinkWorld;
beforeAll(async () => {
  world = await openSinks('repo');
});
afterAll(() => world.close());

const cuts = fc.array(fc.boolean(), { minLength: 60, maxLength: 60 });
let base = 0;

/** Ids of its own for each history. */
function stageOfItsOwn() {
  base += 1000;
  return { stage: sqlStage(world, base), base };
}

async function decidedAlone(actions: readonly Action[]): Promise<Portrait> {
  const store = new PureStore(RULES);
  await play(
    pureStage(store),
    cutInto(actions, () => true),
  );
  return pureStage(store).portrait() as Portrait;
}

test('K1 K2 K3 K8 any cut into batches, redelivered or not, gives what single events give', async () => {
  await fc.assert(
    fc.asyncProperty(histories(45), cuts, fc.boolean(), async (actions, cut, redeliver) => {
      const { stage, base } = stageOfItsOwn();
      const blocks = cutInto(actions, (event) => cut[event % cut.length]!);
      // The offset was not committed: the batch comes again, before or after what people do meanwhile.
      await play(
        stage,
        redeliver ? blocks.flatMap((block): Block[] => ('events' in block ? [block, block] : [block])) : blocks,
      );
      const portrait = await stage.portrait();
      expect(portrait).toEqual(await decidedAlone(actions));
      for (const { ours, email, phone } of portrait.contacts) {
        if (ours && email) expect(email).toMatch(MESSAGING_EMAIL);
        if (ours && phone?.trim()) expect(phone).toMatch(MESSAGING_PHONE);
      }
      expect(await doubles(base)).toEqual([]);
      expect(await wrongTotals(base)).toEqual([]);
    }),
    { numRuns: RUNS },
  );
});

test('K4 K5 K7 a replay of everything, in other batches, writes no row anywhere', async () => {
  await fc.assert(
    fc.asyncProperty(histories(30), cuts, async (actions, cut) => {
      const { stage, base } = stageOfItsOwn();
      await play(
        stage,
        cutInto(actions, () => false),
      );
      expect(await foreign(base)).toEqual([]);
      const before = await fingerprint(world);
      const log = actions.filter((action) => action.do === 'event');
      await play(
        stage,
        cutInto(log, (event) => cut[event % cut.length]!),
      );
      expect(await fingerprint(world)).toEqual(before);
    }),
    { numRuns: Math.ceil(RUNS / 3) },
  );
});

/** K1 */
const doubles = (base: number) =>
  world.rows(
    `SELECT account_id FROM contacts c JOIN accounts a ON a.id = c.account_id
     WHERE ventia_tenant_id BETWEEN $1 AND $2 AND btrim(c.email) <> '' GROUP BY account_id, lower(c.email) HAVING count(*) > 1`,
    [base, base + 99],
  );

/** K3, recomputed by the database from the ledger: orders that are there and not cancelled, each once. */
const wrongTotals = (base: number) =>
  world.rows(
    `SELECT c.id, c.custom_attributes, orders FROM contacts c
     JOIN (SELECT contact_id, count(DISTINCT okey) FILTER (WHERE NOT deleted AND status IS DISTINCT FROM 'Cancelado') AS orders
           FROM cdc.order_fact WHERE contact_id IS NOT NULL GROUP BY contact_id) f ON f.contact_id = c.id::text
     JOIN accounts a ON a.id = c.account_id
     WHERE ventia_tenant_id BETWEEN $1 AND $2 AND c.custom_attributes -> 'total_orders' IS DISTINCT FROM to_jsonb(orders)`,
    [base, base + 99],
  );

/** K5: what the application alone writes is as it wrote it. */
const foreign = (base: number) =>
  world.rows(
    `SELECT c.* FROM contacts c JOIN accounts a ON a.id = c.account_id LEFT JOIN cdc.contact_memory m ON m.contact_id = c.id::text
     WHERE ventia_tenant_id BETWEEN $1 AND $2 AND CASE WHEN m.ours THEN
       identifier IS NOT NULL OR blocked OR birthdate IS NOT NULL OR additional_attributes <> '{}'
       OR custom_attributes - ARRAY['total_orders', 'ventia_customer_id'] <> '{}'
     ELSE identifier IS NULL OR birthdate <> '1990-05-17' OR additional_attributes <> '{"city": "Lima"}'
       OR (jsonb_typeof(custom_attributes) = 'object'
         AND custom_attributes - ARRAY['total_orders', 'ventia_customer_id'] NOT IN ('{}', '{"talla": "M"}'))
     END`,
    [base, base + 99],
  );
