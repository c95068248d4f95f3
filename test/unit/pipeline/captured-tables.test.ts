import type { SnapshotState, TableState } from '../../../src/core/capture-state';
import { CdcError } from '../../../src/core/errors';
import type { EncoderFactory } from '../../../src/core/ports/encoding';
import { silentLogger } from '../../../src/core/ports/log';
import type { SourceInspection } from '../../../src/core/ports/source';
import type { TableMark } from '../../../src/core/table-mark';
import { CapturedTables } from '../../../src/pipeline/captured-tables';
import { repairTable } from '../../../src/pipeline/repair';
import { FakeBroker } from '../../support/doubles/broker';
import { fakeEncoder, RELATION } from '../../support/doubles/wal';

const TABLE = 'ventia.orders';
const CONTRACT = ['id', 'phone', 'points'];

/** Refuses as the real ones do: a contract column that is missing and may not be. */
const encoders: EncoderFactory = {
  tables: [TABLE],
  columns: () => CONTRACT,
  tenantColumn: () => 'id',
  compile({ columns }, { absentColumns }) {
    const missing = CONTRACT.find(
      (name) => !columns.some((column) => column.name === name) && !absentColumns.includes(name),
    );
    if (missing) throw new CdcError('contract_column_missing', missing);
    return fakeEncoder;
  },
};

const markOf = (columns: readonly string[], change: Partial<TableMark> = {}): TableMark => ({
  oid: 1,
  membership: 'm',
  file: 'f',
  columns: Object.fromEntries(columns.map((name, i) => [name, { number: i + 1, version: 'v' }])),
  ...change,
});

function found(columns: readonly string[], change: Partial<TableMark> = {}, tablesLsn = 0x50n): SourceInspection {
  const relation = {
    ...RELATION,
    columns: columns.map((name) => ({ name, typeOid: 25, typeModifier: -1, identity: true })),
  };
  const slot = { name: 's', walStatus: null, retainedBytes: null, safeWalBytes: null, sender: null, decoded: null };
  const tables = [{ relation, mark: markOf(columns, change) }];
  return { systemId: '1', timeline: 1, confirmedLsn: 1n, walLsn: 1n, slot, standbys: [], tables, tablesLsn };
}

function tablesOf(inspection: SourceInspection, state: ReadonlyMap<string, string> = new Map(), epoch = 1) {
  return new CapturedTables({ connector: 'test', epoch, state, encoders, log: silentLogger }, inspection);
}

/** The state after a life that began with this. */
const stateAfter = (tables: CapturedTables, before: ReadonlyMap<string, string> = new Map()) =>
  new Map([...before, ...tables.changes()]);

/** The load that it asks for. */
function reloadOf(tables: CapturedTables): SnapshotState | null {
  const record = tables.changes().find(([key]) => key === `test/snapshot/${TABLE}`);
  return record ? (JSON.parse(record[1]) as SnapshotState) : null;
}

it('a first start records the mark and loads nothing again', () => {
  const tables = tablesOf(found(['id', 'phone']));
  expect(tables.changes().map(([key]) => key)).toEqual([`test/table/${TABLE}`]);
  expect(reloadOf(tables)).toBeNull();
  expect(tables.absentColumns(TABLE)).toEqual(['points']);
});

it('records the new mark and the load that it asks for together, with the window', () => {
  const first = stateAfter(tablesOf(found(CONTRACT)));
  const second = tablesOf(found(CONTRACT, { membership: 'other' }, 0x70n), first);
  expect(second.changes().map(([key]) => key)).toEqual([`test/table/${TABLE}`, `test/snapshot/${TABLE}`]);
  expect(reloadOf(second)).toMatchObject({ status: 'running', kind: 'repair', from: '0/50', to: '0/70' });
  expect(reloadOf(tablesOf(found(CONTRACT, { membership: 'other' }), stateAfter(second, first)))).toBeNull();
});

it('ends a life under which a mark changes', () => {
  const tables = tablesOf(found(CONTRACT));
  tables.check(found(CONTRACT, { file: 'after VACUUM FULL' }));
  expect(() => tables.check(found(CONTRACT, { membership: 'other' }))).toThrow(
    expect.objectContaining({ kind: 'table_changed' }),
  );
});

describe('a contract column that was not there at the first start', () => {
  const first = stateAfter(tablesOf(found(['id', 'phone'])));
  const appeared = tablesOf(found(CONTRACT, {}, 0x70n), first);

  it('has the table loaded again when it comes, because rows may have a value that no change told', () => {
    expect(reloadOf(appeared)?.why).toBe('column points was added');
  });

  it('is null in the changes from before, and in no others', () => {
    const next = tablesOf(found(CONTRACT, {}, 0x90n), stateAfter(appeared, first));
    for (const tables of [appeared, next]) {
      expect(tables.absentColumns(TABLE)).toEqual([]);
      expect(tables.absentColumns(TABLE, 0x6fn)).toEqual(['points']);
      expect(tables.absentColumns(TABLE, 0x70n)).toEqual([]);
    }
  });

  it('may not disappear afterwards, while capture runs or not', () => {
    const gone = found(['id', 'phone']);
    const missing = expect.objectContaining({ kind: 'contract_column_missing' });
    expect(() => appeared.check(gone)).toThrow(missing);
    expect(() => tablesOf(gone, stateAfter(appeared, first))).toThrow(missing);
  });
});

it('a table under another name is the same, one of another oid is not', () => {
  const tables = tablesOf(found(CONTRACT));
  expect(tables.named({ ...RELATION, table: 'ordenes' })).toMatchObject({ table: 'orders' });
  expect(tables.named({ ...RELATION, oid: 2, table: 'ordenes' })).toMatchObject({ table: 'ordenes' });
  const replaced = tablesOf(found(CONTRACT, { oid: 2 }), stateAfter(tables));
  expect(replaced.named({ ...RELATION, oid: 2, table: 'ordenes' })).toMatchObject({ table: 'ordenes' });
});

describe('repair table', () => {
  const repair = async (broker: FakeBroker) =>
    repairTable(
      { connector: 'test', table: TABLE, mark: markOf(CONTRACT), before: 0x80n },
      { openWriter: async () => broker.open(), clock: () => new Date(0) },
    );

  function brokerAfter(tables: CapturedTables): FakeBroker {
    const broker = new FakeBroker([], 1_000_000);
    broker.state.set('test/source', JSON.stringify({ systemId: '1', timeline: 1, epoch: 1 }));
    for (const [key, value] of tables.changes()) broker.state.set(key, value);
    return broker;
  }

  it('excuses what was committed before it, and asks for the table', async () => {
    const broker = brokerAfter(tablesOf(found(CONTRACT)));
    await repair(broker);
    const snapshot = JSON.parse(broker.state.get(`test/snapshot/${TABLE}`)!) as SnapshotState;
    expect(snapshot).toMatchObject({ status: 'running', lastKey: null, kind: 'repair', to: '0/80' });
    const tables = tablesOf(found(CONTRACT), broker.state);
    expect([tables.excused(TABLE, 0x7fn), tables.excused(TABLE, 0x80n)]).toEqual([true, false]);
  });

  it('is remembered by later lives, but not in another history, where the LSNs say nothing', async () => {
    const broker = brokerAfter(tablesOf(found(CONTRACT)));
    await repair(broker);
    const later = stateAfter(tablesOf(found(CONTRACT), broker.state), broker.state);
    expect(tablesOf(found(CONTRACT), later).excused(TABLE, 0x7fn)).toBe(true);
    expect(tablesOf(found(CONTRACT), later, 2).excused(TABLE, 0x7fn)).toBe(false);
  });

  it('keeps the mark of old, so that it hides no gap', async () => {
    const broker = brokerAfter(tablesOf(found(CONTRACT, { membership: 'old' })));
    await repair(broker);
    const { mark } = JSON.parse(broker.state.get(`test/table/${TABLE}`)!) as TableState;
    expect(mark.membership).toBe('old');
  });
});
