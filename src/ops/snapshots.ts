import { stateKeys } from '../core/capture-state';
import { CdcError } from '../core/errors';
import { type LoadView, viewLoad } from '../core/load-view';
import { canCancel, type Desired, isOver, type Load, type LoadRequest, readLoads } from '../core/loads';

/** Snapshots of one capturing connector, for whoever asks, in whatever process. Every method rejects with CdcError. */
export interface Snapshots {
  /** In the order of work; what is over last. */
  list(): Promise<LoadView[]>;
  /** Asks for one; `by` is who. Rejects with usage, snapshot_where, source_permission, snapshot_refused. */
  request(table: string, where: string | null, by: string): Promise<LoadView>;
  /** Asks for it to pause, go on or end. Rejects with snapshot_unknown, snapshot_refused. */
  steer(id: string, desired: Desired, by: string): Promise<LoadView>;
}

export interface SnapshotsDeps {
  readonly connector: string;
  /** `schema.table`, parents before children. */
  readonly tables: readonly string[];
  readonly mode: 'initial' | 'never';
  /** The state topic as it is now. */
  readState(): Promise<ReadonlyMap<string, string>>;
  writeState(key: string, value: object): Promise<void>;
  /** Rejects when the source refuses the condition. */
  checkCondition(table: string, where: string): Promise<void>;
  newId(table: string): string;
  clock(): Date;
}

export function createSnapshots(d: SnapshotsDeps): Snapshots {
  const read = async () => readLoads(await d.readState(), d.connector, d.tables, d.mode);
  const write = async (load: Load, request: LoadRequest) => {
    await d.writeState(stateKeys.loadRequest(d.connector, load.id), request);
    return viewLoad({ ...load, request, desired: request.desired });
  };
  return {
    list: async () => {
      const loads = await read();
      return [...loads.filter((load) => !isOver(load)), ...loads.filter(isOver)].map(viewLoad);
    },

    request: async (table, where, by) => {
      if (!d.tables.includes(table))
        throw new CdcError('usage', `table ${table} is not captured; captured are ${d.tables.join(', ')}`, {
          fix: `ventia-cdc snapshot ${d.tables[0]}`,
        });
      if (where !== null) await d.checkCondition(table, where);
      const same = (await read()).find((load) => !isOver(load) && load.table === table && load.where === where);
      if (same)
        throw new CdcError('snapshot_refused', `such a snapshot of ${table} is not over yet: ${same.id}`, {
          fix: `ventia-cdc snapshot cancel ${same.id}`,
        });
      const request: LoadRequest = { table, where, by, at: d.clock().toISOString(), desired: 'run' };
      const id = d.newId(table);
      return write({ id, kind: 'incremental', table, where, request, desired: 'run', state: null }, request);
    },

    steer: async (id, desired, by) => {
      const load = (await read()).find((one) => one.id === id);
      if (!load) throw new CdcError('snapshot_unknown', `there is no snapshot ${id}`);
      if (isOver(load)) throw new CdcError('snapshot_refused', `snapshot ${id} is ${load.state!.status} already`);
      if (desired === 'cancel' && !canCancel(load))
        throw new CdcError('snapshot_refused', `${id} cannot be cancelled: the topics would stay wrong`, {
          fix: `ventia-cdc snapshot pause ${id}`,
        });
      const { table, where } = load;
      const asked = load.request ?? { table, where, by, at: d.clock().toISOString() };
      return write(load, { ...asked, desired });
    },
  };
}
