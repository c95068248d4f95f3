import type { KeyRecord } from './ports/topics';
import { comparePositions, type Position } from './position';

/**
 * Keys of one partition to be looked up: their last record is not a delete, and is older than `horizon` (rows that were there
 * once and that the load has not met) or of a tenant that belongs elsewhere since there are more partitions. `apply` sees the
 * records in their order.
 */
export class OpenKeys {
  /** Tenant by id; null = deleted. */
  private readonly open = new Map<string, string | null>();

  /**
   * `moves`: deletes from the horizon on are looked up, too: one may be the first half of a move whose other half was not
   * written before capture died.
   */
  constructor(
    private readonly horizon: Position,
    private readonly moves: boolean,
    private readonly belongs: (tenant: string) => boolean,
  ) {}

  apply({ id, tenant, position }: KeyRecord): void {
    if (id === null) this.open.clear();
    // A tombstone without its delete: the row was being moved away. Whether it has arrived there is not known here.
    else if (position === null) return;
    else {
      const since = comparePositions(position, this.horizon) >= 0;
      if (tenant === null ? since && this.moves : !(since && this.belongs(tenant))) this.open.set(id, tenant);
      else this.open.delete(id);
    }
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
  /** Null: the topic has it deleted. */
  readonly tenant: string | null;
}

/** A key that the topic has, and whose. */
export interface PlacedKey extends OpenKey {
  readonly tenant: string;
}
