import type { KeyRecord } from './ports/topics';
import { comparePositions, type Position } from './position';

/**
 * Keys of one partition whose last record is older than `horizon` and not a delete: rows that were there once and that the
 * load has not met. `apply` sees the records in their order.
 */
export class OpenKeys {
  /** Tenant by id. */
  private readonly open = new Map<string, string>();

  constructor(private readonly horizon: Position) {}

  apply({ id, tenant, position }: KeyRecord): void {
    if (id === null) this.open.clear();
    else if (tenant === null || position === null || comparePositions(position, this.horizon) >= 0)
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
