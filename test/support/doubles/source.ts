import type { CdcError } from '../../../src/core/errors';
import type { SourceQueries } from '../../../src/core/ports/source';
import type { ReplicationMessage } from '../../../src/core/replication-message';
import { jumpingClock, RELATION, row } from './wal';

export const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Numbers from 0 to below n, the same for the same seed. */
export function dice(seed: number): (n: number) => number {
  let state = seed | 1;
  return (n) => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
    return ((state >>> 8) & 0xffffff) % n;
  };
}

interface Version {
  readonly tenant: number;
  /** 0 = deleted. */
  readonly version: number;
}

interface Write extends Version {
  readonly id: number;
}

/**
 * A table whose transactions enter the WAL first and become visible to readers a little later, as PostgreSQL's do. A row is
 * not written again before its last writer has ended. A condition is a number: ids that it divides.
 */
export class PretendedSource {
  readonly wal: ReplicationMessage[] = [];
  private readonly rows = new Map<number, Version>();
  private readonly visible = new Map<number, Version>();
  private readonly pending = new Map<number, Write[]>();
  /** Every read is refused with it, while there is one. */
  refuses: CdcError | null = null;
  private xid = 1;
  private lsn = 100n;

  /** `moves`: rows change their tenant, which else is their own number. */
  constructor(
    initialRows: number,
    private readonly moves = false,
  ) {
    for (let id = 1; id <= initialRows; id++) {
      this.rows.set(id, { tenant: id, version: 1 });
      this.visible.set(id, { tenant: id, version: 1 });
    }
  }

  commit(roll: (n: number) => number): void {
    const busy = new Set([...this.pending.values()].flat().map((w) => w.id));
    const id = 1 + roll(30);
    if (busy.has(id)) return;
    const before = this.rows.get(id);
    const version = before !== undefined && roll(3) === 0 ? 0 : (before?.version ?? 0) + 1 + roll(3);
    const tenant = this.moves && version > 0 && roll(3) === 0 ? 1 + roll(4) : (before?.tenant ?? id);
    this.transaction((messages) => {
      const old = { relationOid: 1, before: row(id, before?.tenant ?? id, before?.version) };
      const after = row(id, tenant, version);
      if (version === 0) messages.push({ type: 'delete', beforeKind: 'O', ...old });
      else if (before === undefined) messages.push({ type: 'insert', relationOid: 1, after });
      else messages.push({ type: 'update', beforeKind: 'O', ...old, after });
    });
    if (version === 0) this.rows.delete(id);
    else this.rows.set(id, { tenant, version });
    this.pending.set(this.xid - 1, [{ id, tenant, version }]);
  }

  /** One of the transactions in doubt becomes visible; false when there is none. */
  reveal(roll: (n: number) => number): boolean {
    const xids = [...this.pending.keys()];
    if (xids.length === 0) return false;
    const xid = xids[roll(xids.length)]!;
    for (const { id, tenant, version } of this.pending.get(xid)!) {
      if (version === 0) this.visible.delete(id);
      else this.visible.set(id, { tenant, version });
    }
    this.pending.delete(xid);
    return true;
  }

  queries(): SourceQueries {
    return {
      describe: () => Promise.resolve(RELATION),
      emitMessage: async (prefix, content) => {
        const message = { type: 'message' as const, transactional: true, lsn: this.lsn, prefix };
        this.transaction((messages) => messages.push({ ...message, content: Buffer.from(content) }));
        await turn();
      },
      checkCondition: () => (this.refuses ? Promise.reject(this.refuses) : Promise.resolve()),
      readChunk: async ({ after, limit, keys, where, maxBytes = Number.POSITIVE_INFINITY }, accept, onRow) => {
        const running = [...this.pending.keys()].map(BigInt);
        const xmax = BigInt(this.xid);
        const frozen = [...this.visible].sort(([a], [b]) => a - b);
        const xmin = running[0] ?? BigInt(this.xid); // a Map keeps the order of insertion
        await turn();
        if (this.refuses) throw this.refuses;
        if (!accept({ xmin, xmax, running })) return null;
        const wanted = frozen.filter(([id]) => keys?.includes(String(id)) ?? (after === null || id > Number(after)));
        // As wide as its number: a chunk's bytes may end it.
        let bytes = 0;
        const passed = wanted.slice(0, limit).filter(([id]) => {
          const fits = bytes < maxBytes;
          bytes += id;
          return fits;
        });
        const rows = passed.filter(([id]) => where === null || id % Number(where) === 0);
        for (const [id, { tenant, version }] of rows) onRow(row(id, tenant, version));
        await turn();
        const lastKey = passed.length > 0 ? String(passed.at(-1)![0]) : null;
        const exhausted = passed.length === wanted.length && passed.length < limit;
        return { rows: rows.length, bytes, scanned: passed.length, lastKey, exhausted };
      },
      estimateRows: () => Promise.resolve(this.visible.size),
      close: () => Promise.resolve(),
    };
  }

  get content(): ReadonlyMap<number, Version> {
    return this.rows;
  }

  private transaction(fill: (messages: ReplicationMessage[]) => void): void {
    this.lsn += 10n;
    const commitLsn = this.lsn;
    const commitTime = jumpingClock(commitLsn);
    this.wal.push({ type: 'begin', commitLsn, commitTime, xid: this.xid++ }, { type: 'relation', relation: RELATION });
    fill(this.wal);
    this.wal.push({ type: 'commit', commitLsn, endLsn: commitLsn + 10n, commitTime });
  }
}
