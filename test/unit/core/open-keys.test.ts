import { OpenKeys } from '../../../src/core/open-keys';
import type { KeyRecord } from '../../../src/core/ports/topics';

const at = (epoch: bigint, commitLsn = 50n, seq = 0n) => ({ epoch, commitLsn, seq });

const record = (id: string | null, tenant: string | null, epoch: bigint, commitLsn?: bigint) => ({
  id,
  tenant,
  position: at(epoch, commitLsn),
});

const tombstone = (id: string): KeyRecord => ({ id, tenant: null, position: null });

function openAfter(records: readonly KeyRecord[], moves = true): string[] {
  const keys = new OpenKeys(at(3n), moves, (tenant) => tenant !== 'elsewhere');
  for (const each of records) keys.apply(each);
  return keys.take(10).map(({ id, tenant }) => `${id} of ${tenant}`);
}

describe('keys that the topic has and the load has not met', () => {
  it.each<[string, KeyRecord[], string[]]>([
    ['a row of an older epoch', [record('a', 'x', 1n)], ['a of x']],
    [
      'a row from before the load, of the same epoch',
      [record('a', 'x', 3n, 49n), record('b', 'x', 3n, 50n)],
      ['a of x'],
    ],
    ['its newest tenant', [record('a', 'x', 1n), record('a', 'y', 2n)], ['a of y']],
    ['not one that was loaded', [record('a', 'x', 2n), record('a', 'x', 3n)], []],
    ['not one that was deleted', [record('a', 'x', 2n), record('a', null, 2n)], []],
    ['one that was deleted and came back', [record('a', null, 1n), record('a', 'x', 2n)], ['a of x']],
    ['one of a tenant that belongs elsewhere', [record('a', 'elsewhere', 3n)], ['a of elsewhere']],
    ['nor when its tombstone follows', [record('a', 'x', 2n), record('a', null, 2n), tombstone('a')], []],
    ['one that has a tombstone only, as in a move that broke off', [record('a', 'x', 2n), tombstone('a')], ['a of x']],
    ['none from before a truncate', [record('a', 'x', 2n), record(null, null, 2n), record('b', 'x', 2n)], ['b of x']],
  ])('%s', (_, records, open) => {
    expect(openAfter(records)).toEqual(open);
  });

  it('are those deleted meanwhile, too, where the delete may be half of a move', () => {
    const records = [record('a', 'elsewhere', 3n), record('a', null, 3n), tombstone('a')];
    expect(openAfter(records, true)).toEqual(['a of null']);
    expect(openAfter(records, false)).toEqual([]);
  });

  it('are taken out a few at a time', () => {
    const keys = new OpenKeys(at(2n), false, () => true);
    for (const id of ['a', 'b', 'c']) keys.apply(record(id, 'x', 1n));
    expect(keys.take(2).map(({ id }) => id)).toEqual(['a', 'b']);
    expect(keys.size).toBe(1);
  });
});
