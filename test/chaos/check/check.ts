import { differences } from './audit';
import { type Expected, expectedRecords } from './expected';
import type { TopicContents, TopicRecord } from './topics';
import type { AuditedTable, TextRow, Truth } from './truth';

/** What can be wrong with the topics, held against the source. */
export type Fault =
  | 'missing'
  | 'doubled'
  | 'disordered'
  | 'wrong image'
  | 'wrong partition'
  | 'never committed'
  | 'without tombstone'
  | 'wrong in the end';

export interface Verdict {
  readonly faults: Readonly<Record<Fault, number>>;
  /** What and where, the first of each kind. */
  readonly first: readonly string[];
  /** Committed changes, and the records that stand for them. */
  readonly changes: number;
  readonly records: number;
  readonly tombstones: number;
  /** Rows of the first load, and how many of them came again. */
  readonly loaded: number;
  readonly loadedAgain: number;
}

const TOLD_OF_EACH = 4;

/**
 * Compares the topics (by table) with what the source recorded. Knows nothing of the program that filled them, only what it
 * promises: one record a change, with a position that grows in each partition and tells the change's place in its
 * transaction; a move is a delete and a create; a delete is followed by its tombstone.
 */
export function check(truth: Truth, topics: ReadonlyMap<string, TopicContents>): Verdict {
  return new Check(truth, topics).run();
}

class Check {
  private readonly faults: Record<Fault, number> = {
    missing: 0,
    doubled: 0,
    disordered: 0,
    'wrong image': 0,
    'wrong partition': 0,
    'never committed': 0,
    'without tombstone': 0,
    'wrong in the end': 0,
  };
  private readonly first: string[] = [];
  private readonly expected: Expected[];
  /** The record found for each expected one; of a truncate one for each partition. */
  private readonly found = new Map<Expected, TopicRecord[]>();
  private readonly expectedOf = new Map<TopicRecord, Expected>();
  private tombstones = 0;

  constructor(
    private readonly truth: Truth,
    private readonly topics: ReadonlyMap<string, TopicContents>,
  ) {
    this.expected = expectedRecords(truth, this.partitions(truth.tables[0]!.name));
  }

  run(): Verdict {
    for (const { records } of this.topics.values()) this.walkPartitions(records);
    this.matchRecords();
    for (const expected of this.expected) this.compare(expected);
    this.checkTransactions();
    this.checkHistories();
    let loaded = 0;
    let loadedAgain = 0;
    for (const table of this.truth.tables) {
      const keys = this.replay(table);
      loaded += keys.length;
      loadedAgain += keys.length - new Set(keys).size;
    }
    return {
      faults: this.faults,
      first: this.first,
      changes: this.truth.changes.length,
      records: this.expectedOf.size,
      tombstones: this.tombstones,
      loaded,
      loadedAgain,
    };
  }

  /** In each partition positions grow, and a tombstone is directly behind its delete and nowhere else. */
  private walkPartitions(records: readonly TopicRecord[]): void {
    let previous: TopicRecord | null = null;
    let last: TopicRecord | null = null;
    for (const record of records) {
      if (record.partition !== previous?.partition) {
        if (previous?.value?.op === 'd') this.fault('without tombstone', at(previous));
        previous = last = null;
      }
      const deleted = previous?.value?.op === 'd';
      if (record.value === null) {
        this.tombstones++;
        if (!deleted || previous!.key !== record.key)
          this.fault('without tombstone', `${at(record)} is a lone tombstone`);
      } else {
        if (deleted) this.fault('without tombstone', at(previous!));
        const order = last ? comparePositions(last, record) : -1;
        if (order > 0) this.fault('disordered', `${at(record)} behind ${at(last!)}`);
        if (order === 0 && record.value.op === 'r') this.fault('doubled', at(record));
        last = record;
      }
      previous = record;
    }
    if (previous?.value?.op === 'd') this.fault('without tombstone', at(previous));
  }

  /** By transaction and ordinal. */
  private matchRecords(): void {
    const wanted = new Map(
      this.expected.map((expected) => [`${expected.table} ${expected.xid} ${expected.seq}`, expected]),
    );
    for (const [table, { records }] of this.topics) {
      for (const record of records) {
        if (record.value === null || record.value.op === 'r') continue;
        const expected = wanted.get(`${table} ${record.value.xid} ${record.value.position.seq}`);
        if (!expected) {
          this.fault('never committed', at(record));
          continue;
        }
        const found = this.found.get(expected) ?? [];
        this.found.set(expected, found);
        const twin = found.find(({ partition }) => expected.op !== 't' || partition === record.partition);
        if (twin) this.fault('doubled', `${at(record)} and ${at(twin)}`);
        else {
          found.push(record);
          this.expectedOf.set(record, expected);
        }
      }
    }
  }

  private compare(expected: Expected): void {
    const found = this.found.get(expected) ?? [];
    const wanted = expected.op === 't' ? this.partitions(expected.table) : 1;
    if (found.length < wanted) this.fault('missing', `${told(expected)}: ${found.length} of ${wanted}`);
    for (const record of found) {
      const { value } = record;
      if (expected.partition !== null && record.partition !== expected.partition)
        this.fault('wrong partition', `${at(record)} should be in ${expected.partition}`);
      const wrong =
        differs('op', expected.op, value!.op) ??
        (expected.key === null ? null : differs('key', expected.key, record.key)) ??
        differs('table', expected.table, value!.table) ??
        differs('commit time', String(expected.commitTime), String(value!.commitTime)) ??
        differs('record time', String(expected.commitTime / 1000n), String(record.timestampMs)) ??
        imageDiffers('before', expected.before, value!.before, []) ??
        imageDiffers('after', expected.after, value!.after, rightlyLeftOut(expected, value!.unchanged ?? []));
      if (wrong) this.fault('wrong image', `${at(record)} ${wrong}`);
    }
  }

  /** All of a transaction at one position, no two transactions at the same. */
  private checkTransactions(): void {
    const positions = new Map<number, bigint>();
    const owners = new Map<bigint, number>();
    for (const [record, { xid }] of this.expectedOf) {
      const { commitLsn } = record.value!.position;
      const known = positions.get(xid) ?? commitLsn;
      const owner = owners.get(commitLsn) ?? xid;
      positions.set(xid, known);
      owners.set(commitLsn, owner);
      if (known !== commitLsn || owner !== xid)
        this.fault('disordered', `${at(record)}: transaction ${xid} or ${owner}`);
    }
  }

  /** The changes of a row follow each other in the topics as in the source; a truncate comes behind all before it. */
  private checkHistories(): void {
    const latest = new Map<string, TopicRecord>();
    const ends = new Map<string, TopicRecord>();
    for (const expected of this.expected) {
      for (const record of this.found.get(expected) ?? []) {
        const { table, key } = expected;
        const behind = key === null ? ends.get(table) : (latest.get(`${table} ${key}`) ?? latest.get(table));
        if (behind && comparePositions(behind, record) > 0)
          this.fault('disordered', `${at(record)} should come behind ${at(behind)}`);
        if (key === null) latest.set(table, record);
        else latest.set(`${table} ${key}`, record);
        const end = ends.get(table);
        if (!end || comparePositions(end, record) < 0) ends.set(table, record);
      }
      if (expected.op === 't')
        for (const key of latest.keys()) if (key.startsWith(`${expected.table} `)) latest.delete(key);
    }
  }

  /**
   * Plays all records in the order of their positions, beside the audit's rows: a row of the first load is as the source had
   * it at that moment, and in the end the topic holds the table. Returns the keys that the load brought.
   */
  private replay(table: AuditedTable): string[] {
    const inSource = new Map(table.first);
    const inTopic = new Map<string, TextRow>();
    const loaded: string[] = [];
    const records = this.topics.get(table.name)!.records.filter(({ value }) => value !== null);
    for (const record of records.toSorted(comparePositions)) {
      const { op, after, unchanged } = record.value!;
      const expected = this.expectedOf.get(record);
      if (op === 't') {
        inTopic.clear();
        inSource.clear();
      } else if (op === 'd') {
        inTopic.delete(record.key);
        inSource.delete(record.key);
      } else if (after) {
        inTopic.set(record.key, { ...after, ...keep(inTopic.get(record.key), unchanged) });
        if (expected?.new) inSource.set(record.key, expected.new);
        if (op === 'r') {
          loaded.push(record.key);
          const row = inSource.get(record.key) ?? null;
          const wrong = imageDiffers('row', row, after, []);
          if (wrong) this.fault(row ? 'wrong image' : 'never committed', `${at(record)} of the first load: ${wrong}`);
        }
      }
    }
    for (const key of differences(inTopic, table.last)) {
      const how = inTopic.has(key) ? (table.last.has(key) ? 'differs from the row' : 'is no row') : 'is not there';
      this.fault('wrong in the end', `${table.name} ${key} ${how}`);
    }
    return loaded;
  }

  private partitions(table: string): number {
    return this.topics.get(table)!.partitions;
  }

  private fault(kind: Fault, what: string): void {
    this.faults[kind]++;
    if (this.faults[kind] <= TOLD_OF_EACH) this.first.push(`${kind}: ${what}`);
  }
}

function comparePositions(a: TopicRecord, b: TopicRecord): number {
  const p = a.value!.position;
  const q = b.value!.position;
  return Number(p.epoch - q.epoch) || Number(p.commitLsn - q.commitLsn) || Number(p.seq - q.seq);
}

const differs = (what: string, wanted: string, found: string): string | null =>
  wanted === found ? null : `${what} is ${short(found)}, not ${short(wanted)}`;

function imageDiffers(
  what: string,
  wanted: TextRow | null,
  found: TextRow | null,
  leftOut: readonly string[],
): string | null {
  if (wanted === null || found === null) return wanted === found ? null : `${what} is ${found ? 'there' : 'null'}`;
  const wrong = Object.keys(wanted).find(
    (column) => (leftOut.includes(column) ? null : wanted[column]) !== found[column],
  );
  return wrong === undefined ? null : differs(`${what}.${wrong}`, String(wanted[wrong]), String(found[wrong]));
}

/** Columns that a record may leave out: those that did not change. */
function rightlyLeftOut({ old, new: row }: Expected, unchanged: readonly string[]): string[] {
  return unchanged.filter((column) => old && row && old[column] === row[column]);
}

function keep(row: TextRow | undefined, columns: readonly string[] | null): TextRow {
  return Object.fromEntries((columns ?? []).map((column) => [column, row?.[column] ?? null]));
}

const short = (text: string): string => (text.length > 60 ? `${text.slice(0, 60)}… (${text.length})` : text);

function at({ topic, partition, offset, key, value }: TopicRecord): string {
  const place = `${topic} ${partition}@${offset} ${key}`;
  if (value === null) return place;
  const { commitLsn, seq } = value.position;
  return `${place} ${value.op} xid ${value.xid} lsn ${commitLsn.toString(16)} seq ${seq}`;
}

const told = ({ table, xid, seq, op, key }: Expected): string =>
  `${table} ${key ?? 'truncate'} ${op} xid ${xid} seq ${seq}`;
