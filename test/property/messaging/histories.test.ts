import fc from 'fast-check';
import type { Decision } from '../../../src/messaging/decide/resolve';
import { RULES } from '../../support/events';
import { type Action, type Block, cutInto, histories } from '../../support/histories';
import { doubles, invalid, miscounted, overwritten } from '../../support/invariants';
import { type Portrait, play, pureStage } from '../../support/play';
import { holds, testsOf } from '../../support/properties';
import { PureStore } from '../../support/pure-store';

/**
 * The decisions over random histories, in memory: what they read is loaded exactly as they ask for it. K5 and K7 are about
 * columns and tables that are not here: integration/messaging/histories.
 */

const RUNS = Number(process.env.HISTORIES ?? 2000);
const TIMEOUT_MS = 60_000 + RUNS * 100;
jest.setTimeout(TIMEOUT_MS);

async function played(
  actions: readonly Action[],
  cut: (event: number) => boolean,
  manyOrders?: number,
  rules = RULES,
): Promise<PureStore> {
  const store = new PureStore(rules, manyOrders);
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

const all = { numRuns: RUNS };
const quarter = { numRuns: RUNS / 4 };

describe('after every step of a history', () => {
  const step = async (store: PureStore, block: Block, conflicts: Map<string, string>) => {
    const before = [...store.contacts.values()];
    await play(pureStage(store), [block]);
    const now = portrait(store);
    await holds('K1', () => expect(doubles(now)).toEqual([]));
    await holds('K2', () => expect(invalid(now)).toEqual([]));
    await holds('K3', () => expect(miscounted(now)).toEqual([]));
    await holds('K6', () => expect([...store.conflicts]).toEqual(expect.arrayContaining([...conflicts])));
    for (const [about, reason] of store.conflicts) conflicts.set(about, reason);
    if ('events' in block)
      await holds('Invariant 10', () => expect(overwritten(before, store.contacts.values())).toEqual([]));
  };
  testsOf(
    {
      K1: 'no two contacts of an account share an e-mail or a phone',
      K2: 'every phone and e-mail that is written passes the validations of Messaging',
      K3: 'total_orders is the number of orders that are there and count, each once',
      K6: 'a conflict is recorded once and stays as it was first recorded',
      'Invariant 10': 'what people and the application wrote is not overwritten, and no contact is removed',
    },
    async () => [
      await fc.check(
        fc.asyncProperty(histories(60), async (actions) => {
          const store = new PureStore(RULES);
          const conflicts = new Map<string, string>();
          for (const block of cutInto(actions, oneByOne)) await step(store, block, conflicts);
        }),
        all,
      ),
    ],
    TIMEOUT_MS,
  );
});

test('K4 the whole log again, any suffix of it, each tenant by itself, and stuttered changes change nothing', () =>
  fc.assert(
    fc.asyncProperty(histories(60), fc.nat(), fc.boolean(), async (actions, from, together) => {
      const store = await played(actions, oneByOne);
      const before = portrait(store);
      const log = events(actions);
      const again = [
        log,
        log.slice(from % (log.length + 1)),
        log.toSorted((a, b) => Number(tenantOf(a)) - Number(tenantOf(b))),
        log.flatMap((action) => [action, action]),
      ];
      for (const replay of again) {
        await play(
          pureStage(store),
          cutInto(replay, () => !together),
        );
      }
      expect(portrait(store)).toEqual(before);
      const stuttered = actions.flatMap((action): Action[] => (action.do === 'event' ? [action, action] : [action]));
      expect(portrait(await played(stuttered, () => false))).toEqual(before);
    }),
    quarter,
  ));

test('K8 how the log is cut into batches changes nothing', () =>
  fc.assert(
    fc.asyncProperty(
      histories(60),
      fc.array(fc.boolean(), { minLength: 100, maxLength: 100 }),
      async (actions, cuts) => {
        const alone = portrait(await played(actions, oneByOne));
        expect(portrait(await played(actions, (event) => cuts[event % 100]!))).toEqual(alone);
        expect(portrait(await played(actions, () => false))).toEqual(alone);
      },
    ),
    quarter,
  ));

test("the sum of a contact's other orders does for the orders", () =>
  fc.assert(
    fc.asyncProperty(
      histories(60),
      fc.array(fc.boolean(), { minLength: 100, maxLength: 100 }),
      fc.constantFrom(0, 1, 2),
      fc.constantFrom('count', 'source'),
      async (actions, cuts, many, totalOrders) => {
        const cut = (event: number) => cuts[event % 100]!;
        const rules = { ...RULES, totalOrders } as const;
        const oneByOne = portrait(await played(actions, cut, Number.POSITIVE_INFINITY, rules));
        expect(portrait(await played(actions, cut, many, rules))).toEqual(oneByOne);
      },
    ),
    quarter,
  ));

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
    quarter,
  );
});

test('the histories reach every rule and every conflict', async () => {
  const reached = new Map<string, number>();
  const count = (what: string) => reached.set(what, (reached.get(what) ?? 0) + 1);
  for (const actions of fc.sample(histories(60), { numRuns: Math.max(400, RUNS), seed: 7 })) {
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

/** Of an order's row, or of the tenant itself. */
const tenantOf = ({ event }: Action & { do: 'event' }) => event.after?.tenant_id ?? event.before?.tenant_id ?? event.id;

function describeDecision(decision: Decision): string {
  if (decision.how !== 'found') return decision.how;
  const { by, through, insteadOf } = decision;
  return `found by ${by} ${through}${insteadOf === null ? '' : ' instead of one that is gone'}`;
}
