import { Backlog, Source } from '../backlog';
import { type Contender, captureContender, recvlogicalContender } from '../contenders';
import { avroRecords, DEBEZIUM_AVRO, debeziumContender } from '../debezium';
import { drainInTurns, type PartContext } from '../part';

const ROWS = 500_000;
const ROUNDS = 5;

export const ONE_TRANSACTION = 'drain, one transaction';
export const ONE_ROW_TRANSACTIONS = 'drain, one-row transactions';

/** Two backlogs in the WAL: one transaction, and four tenths as many transactions of one row; each contender reads the same bytes. */
export async function drain(context: PartContext): Promise<void> {
  const { options, connect, brokerPid } = context;
  const rows = options.rows ?? ROWS;
  const contenders: Contender[] = [captureContender({ brokerPid, profile: options.profile })];
  if (options.against.includes('recvlogical')) contenders.unshift(recvlogicalContender());
  const debezium = connect && debeziumContender(await connect(), DEBEZIUM_AVRO, avroRecords(), brokerPid);
  if (debezium) contenders.push(debezium);

  const source = await Source.create();
  try {
    for (const [what, make] of [
      [ONE_TRANSACTION, () => Backlog.oneTransaction(source, rows)],
      [ONE_ROW_TRANSACTIONS, () => Backlog.transactionsOf(source, Math.ceil(rows * 0.4), 1)],
    ] as const) {
      context.say(`${what}: writing the backlog`);
      const backlog = await make();
      const one = async (contender: Contender) => ({ ...(await contender.drain(backlog)), rows: backlog.rows });
      if (debezium && what === ONE_TRANSACTION) await drainInTurns(context, `${what}, cold`, 1, [debezium], one);
      await drainInTurns(context, what, options.runs ?? ROUNDS, contenders, one);
      await backlog.drop();
    }
  } finally {
    await source.drop();
  }
}
