import type { KeyRecord } from './ports/topics';
import { comparePositions, type Position } from './position';

/**
 * Keys of one partition whose last record is not a delete, and is older than `horizon` (rows that were there once and that the
 * load has not met) or of a tenant that belongs elsewhere since there are more partitions. `apply` sees the records in their
 * order.
 */
export class OpenKeys {
  /** Tenant by id. */
  private readonly open = new Map<string, string>();

  constructor(
    private readonly horizon: Position,
    private readonly belongs: (tenant: string) => boolean,
  ) {}

  apply({ id, tenant, position }: KeyRecord): void {
    if (id === null) this.open.clear();
    // A tombstone without its delete: the row was being moved away. Whether it has arrived there is not known here.
    else if (position === null) return;
    else if (tenant === null || (comparePositions(position, this.horizon) >= 0 && this.belongs(tenant)))
      this.open.delete(id);
    else this.open.set(id, tenant);
  }

  get size(): number {
    return this.open.size;
  }

  /** Takes out up to `count` of them. */
  take(count: number): OpenKey[] {
    const taken: OpenKey[] = [];
    for (const [id, tenant] of this.open) {
      if (taken.length === count) break;
      taken.push({ id, tenant });
      this.open.delete(id);
    }
    return taken;
  }
}

export interface OpenKey {
  readonly id: string;
  readonly tenant: string;
}
