import { Backlog, Source } from '../bench/backlog';
import { CAPTURE, captureContender, RECVLOGICAL, recvlogicalContender } from '../bench/contenders';
import { WAL_SENDER } from '../bench/drained';
import { median } from '../bench/results';
import { describeWithTool } from '../support/tools';

/**
 * A short benchmark that fails when capture has become a quarter dearer against pg_recvlogical than it was when the ratios
 * were written down. CPU seconds and not rates, in turns, medians: a busy machine disturbs those little. The true figures
 * are those of `npm run bench`.
 */
const ROUNDS = 3;
const TOLERANCE = 1.25;

/**
 * CPU of a row: capture's, when its hot code is compiled, and its WAL sender's, over that of pg_recvlogical together with its
 * own. Measured on a machine with much other work, where they are largest.
 */
const KNOWN = {
  'one transaction': { rows: 150_000, capture: 0.41, sender: 0.74 },
  'transactions of one row': { rows: 50_000, capture: 0.5, sender: 0.75 },
};

jest.setTimeout(300_000);

describeWithTool('pg_recvlogical', 'CPU against pg_recvlogical', () => {
  let source: Source;
  beforeAll(async () => {
    source = await Source.create();
  });
  afterAll(() => source?.drop());

  it.each(Object.entries(KNOWN))('%s', async (what, { rows, ...known }) => {
    const backlog = await Backlog.transactionsOf(source, rows, what === 'one transaction' ? rows : 1);
    const spent = { theirs: [] as number[], sender: [] as number[], capture: [] as number[] };
    for (let round = 0; round < ROUNDS; round++) {
      const theirs = (await recvlogicalContender().drain(backlog)).cpu;
      const ours = await captureContender({}).drain(backlog);
      spent.theirs.push((theirs.get(RECVLOGICAL)! + theirs.get(WAL_SENDER)!) / rows);
      spent.sender.push(ours.cpu.get(WAL_SENDER)! / rows);
      spent.capture.push(ours.warm!.cpu.get(CAPTURE)! / ours.warm!.records);
    }
    await backlog.drop();
    const theirs = median(spent.theirs);
    const ratios = { capture: median(spent.capture) / theirs, sender: median(spent.sender) / theirs };
    const limits = { capture: known.capture * TOLERANCE, sender: known.sender * TOLERANCE };
    const over = Object.entries(ratios).filter(([name, ratio]) => ratio > limits[name as keyof typeof limits]);
    // The numbers, where it fails.
    expect({ over, ratios, limits, spent }).toEqual({ over: [], ratios, limits, spent });
  });
});
