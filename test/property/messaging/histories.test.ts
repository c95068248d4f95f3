import fc from 'fast-check';
import type { Decision } from '../../../src/messaging/decide/resolve';
import { RULES } from '../../support/events';
import { type Action, cutInto, histories } from '../../support/histories';
import { type Portrait, play, pureStage } from '../../support/play';
import { PureStore } from '../../support/pure-store';

/** The decisions over random histories, in memory: what they read is loaded exactly as they ask for it. */

const RUNS = Number(process.env.HISTORIES ?? 400);
jest.setTimeout(30_000 + RUNS * 100);

async function played(actions: readonly Action[], cut: (event: number) => boolean): Promise<PureStore> {
  const store = new PureStore(RULES);
  await play(pureStage(store), cutInto(actions, cut));
  return store;
}
const portrait = (store: PureStore): Portrait => pureStage(store).portrait() as Portrait;
const oneByOne = () => true;
const events = (actions: readonly Action[]) => actions.filter((action) => action.do === 'event');

const EVERYTHING = [
  ...['created', 'followed', 'stale', 'parked', 'deleted'],
  ...['stay', 'rename', 'create', 'none', 'gone'],
  ...['customer_id alias', 'email alias', 'email column', 'phone alias', 'phone column'].flatMap((by) => [
    `found by ${by}`,
    `found by ${by} instead of one that is gone`,
  ]),
  'email_belongs_to_other',
  'email_kept_agent_value',
  'email_shared_different_phone',
  'phone_belongs_to_other',
  'phone_in_use_by_conversation',
  'phone_number_kept_agent_value',
].sort();

test('K8 how the log is cut into batches changes nothing', async () => {
  await fc.assert(
    fc.asyncProperty(
      histories(60),
      fc.array(fc.boolean(), { minLength: 100, maxLength: 100 }),
      async (actions, cuts) => {
        const alone = portrait(await played(actions, oneByOne));
        expect(portrait(await played(actions, (event) => cuts[event % 100]!))).toEqual(alone);
        expect(portrait(await played(actions, () => false))).toEqual(alone);
      },
    ),
    { numRuns: RUNS },
  );
});

test('K4 the whole log again, any suffix of it, and stuttered changes change nothing', async () => {
  await fc.assert(
    fc.asyncProperty(histories(60), fc.nat(), fc.boolean(), async (actions, from, batch) => {
      const store = await played(actions, oneByOne);
      const before = portrait(store);
      const log = events(actions);
      await play(
        pureStage(store),
        cutInto(log.slice(from % (log.length + 1)), () => !batch),
      );
      await play(
        pureStage(store),
        cutInto(
          log.flatMap((action) => [action, action]),
          () => batch,
        ),
      );
      expect(portrait(store)).toEqual(before);
      const stuttered = actions.flatMap((action): Action[] => (action.do === 'event' ? [action, action] : [action]));
      expect(portrait(await played(stuttered, () => false))).toEqual(before);
    }),
    { numRuns: RUNS },
  );
});

test('K1 no two contacts of an account share an e-mail or a phone', async () => {
  await fc.assert(
    fc.asyncProperty(histories(80), async (actions) => {
      const seen = new Set<string>();
      for (const { tenant, email, phone } of portrait(await played(actions, oneByOne)).contacts) {
        for (const value of [email?.trim() && `e ${email.toLowerCase()}`, phone?.trim() && `p ${phone}`]) {
          if (!value) continue;
          expect(seen).not.toContain(`${tenant} ${value}`);
          seen.add(`${tenant} ${value}`);
        }
      }
    }),
    { numRuns: RUNS },
  );
});

test('R6b whichever half of a move comes first', async () => {
  await fc.assert(
    fc.asyncProperty(histories(60), async (actions) => {
      const flipped = [...actions];
      for (let i = 1; i < flipped.length; i++) {
        const [one, two] = [flipped[i - 1]!, flipped[i]!];
        if (one.do !== 'event' || two.do !== 'event' || one.event.id !== two.event.id) continue;
        if (one.event.position.commitLsn !== two.event.position.commitLsn) continue;
        if (one.event.position.seq !== two.event.position.seq) [flipped[i - 1], flipped[i]] = [two, one];
      }
      expect(portrait(await played(flipped, oneByOne))).toEqual(portrait(await played(actions, oneByOne)));
    }),
    { numRuns: RUNS },
  );
});

test('the histories reach every rule and every conflict', async () => {
  const reached = new Map<string, number>();
  const count = (what: string) => reached.set(what, (reached.get(what) ?? 0) + 1);
  for (const actions of fc.sample(histories(60), { numRuns: RUNS, seed: 7 })) {
    const store = new PureStore(RULES);
    const stage = pureStage(store);
    const apply = (log: Parameters<typeof store.apply>[0]) => {
      for (const step of store.apply(log)) {
        count(step?.what === 'linked' ? describeDecision(step.decision) : (step?.what ?? 'nothing'));
      }
    };
    await play(
      { ...stage, apply },
      cutInto(actions, () => false),
    );
    for (const reason of store.conflicts.values()) count(reason);
  }
  expect([...reached.keys()].sort()).toEqual(EVERYTHING);
  for (const [, times] of reached) expect(times).toBeGreaterThan(1);
});

function describeDecision(decision: Decision): string {
  if (decision.how !== 'found') return decision.how;
  const { by, through, insteadOf } = decision;
  return `found by ${by} ${through}${insteadOf === null ? '' : ' instead of one that is gone'}`;
}
