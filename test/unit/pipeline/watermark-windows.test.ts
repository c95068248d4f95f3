import type { MvccSnapshot, SourceQueries } from '../../../src/core/ports/source';
import { newTuple } from '../../../src/core/tuple';
import { type Composed, WatermarkWindows } from '../../../src/pipeline/watermark-windows';

const CHUNK = { rows: 0, bytes: 0, scanned: 0, lastKey: null, exhausted: true };
const REQUEST = { schema: 'ventia', table: 'orders', columns: [], keyColumn: 'id', after: null, limit: 1, where: null };

/** One chunk of a table while `decoded` come by before it and the watermarks have transactions 10, 11, …: what was refused. */
async function readChunk(snapshots: MvccSnapshot[], decoded: { before: number[]; since: number[] }) {
  let xid = 10;
  const refused: MvccSnapshot[] = [];
  const queries: Pick<SourceQueries, 'emitMessage' | 'readChunk'> = {
    emitMessage: async (_, content) => {
      windows.onTransaction(xid++);
      windows.onWatermark(content, BigInt(xid))?.onAppended([]);
    },
    readChunk: async (_, accept) => {
      const snapshot = snapshots.shift()!;
      if (accept(snapshot)) return CHUNK;
      refused.push(snapshot);
      return null;
    },
  };
  const windows = new WatermarkWindows(queries as SourceQueries, () => Promise.resolve());
  for (const one of decoded.before) windows.onTransaction(one);
  windows.begin();
  for (const one of decoded.since) windows.onTransaction(one);
  const compose = () => ({ rows: { count: 0, read: () => newTuple() } }) as unknown as Composed;
  await windows.read({ request: REQUEST, onRow() {}, compose, goOn: () => true });
  expect(snapshots).toEqual([]);
  return refused;
}

const sees = (xmax: bigint, ...running: bigint[]): MvccSnapshot => ({ xmin: running[0] ?? xmax, xmax, running });

it('a chunk waits for what began before the load, which an earlier life may have shown (B4)', async () => {
  const [early, ended] = [sees(12n, 7n), sees(12n)];
  expect(await readChunk([early, ended], { before: [], since: [] })).toEqual([early]);
});

it('and for what the stream has shown since', async () => {
  const [early, ended] = [sees(12n, 5n), sees(12n)];
  expect(await readChunk([early, ended], { before: [3], since: [5] })).toEqual([early]);
});

it('not for what began after it', async () => {
  expect(await readChunk([sees(14n, 13n)], { before: [3], since: [5] })).toEqual([]);
});
