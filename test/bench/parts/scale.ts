import { Backlog, Source } from '../backlog';
import { captureContender } from '../contenders';
import { drainInTurns, type PartContext } from '../part';

const ROUNDS = 3;
const ROWS = 200_000;
const USUAL = { rows: ROWS, perTransaction: ROWS, partitions: 6, tenants: 100 };
type Shape = typeof USUAL;

export const scaleOf = (what: string): string => `capture by ${what}`;

/** Each dimension alone, the others as usual: what a rate that stays flat looks like. */
const SHAPES: readonly (readonly [what: string, shapes: readonly (Partial<Shape> & { readonly name: string })[]])[] = [
  ['rows', [1e4, 1e5, 1e6].map((rows) => ({ name: rows.toLocaleString('en'), rows, perTransaction: rows }))],
  [
    'rows a transaction',
    [1, 10, 100, 10_000].map((perTransaction) => ({
      name: perTransaction.toLocaleString('en'),
      perTransaction,
      rows: ROWS / 2,
    })),
  ],
  ['partitions', [1, 16, 64].map((partitions) => ({ name: String(partitions), partitions }))],
  ['tenants', [10, 100_000].map((tenants) => ({ name: tenants.toLocaleString('en'), tenants }))],
];

export async function scale(context: PartContext): Promise<void> {
  const { options, brokerPid } = context;
  for (const [what, shapes] of SHAPES) {
    for (const { name, ...shape } of shapes) {
      if (!context.timeLeft()) return context.say(`the part's time is up before ${scaleOf(what)} ${name}`);
      const { perTransaction, partitions, tenants, ...usual } = { ...USUAL, ...shape };
      const rows = Math.min(usual.rows, options.rows ?? usual.rows);
      const source = await Source.create(tenants);
      try {
        const backlog = await Backlog.transactionsOf(source, rows, Math.min(rows, perTransaction));
        const contender = captureContender({ brokerPid, partitions });
        await drainInTurns(context, `${scaleOf(what)}: ${name}`, options.runs ?? ROUNDS, [contender], async (one) => ({
          ...(await one.drain(backlog)),
          rows,
        }));
        await backlog.drop();
      } finally {
        await source.drop();
      }
    }
  }
}
