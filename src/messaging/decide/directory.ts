import { Index, Shelf } from './shelf';
import type { Alias, AliasKind } from './values';

/** A value that a contact may hold in its column. */
export type HeldKind = 'phone' | 'email';

/** By which values the contacts of one account are found: those they hold in their columns, and those they were known by. */
export class Directory {
  /** Contacts by value, a phone exactly as written, an e-mail as the database folds its case. */
  readonly held: Readonly<Record<HeldKind, Index>> = { phone: new Index('phone'), email: new Index('e-mail') };
  readonly aliases: Readonly<Record<AliasKind, Shelf<Alias>>> = {
    customer_id: new Shelf('customer id'),
    phone: new Shelf('phone alias'),
    email: new Shelf('e-mail alias'),
  };

  /** `complete`: the account is not inserted yet, so whoever is not here is nowhere. */
  constructor(private readonly complete: boolean) {}

  hasHolders(kind: HeldKind, value: string): boolean {
    return this.complete || this.held[kind].has(value);
  }

  /** Everybody who holds exactly this value. */
  holders(kind: HeldKind, value: string): readonly string[] {
    if (this.complete) this.held[kind].know(value);
    return this.held[kind].get(value);
  }

  hasAlias(kind: AliasKind, value: string): boolean {
    return this.complete || this.aliases[kind].has(value);
  }

  /** The alias, also when its contact is gone. */
  alias(kind: AliasKind, value: string): Alias | null {
    if (this.complete) this.aliases[kind].load(value, null);
    return this.aliases[kind].get(value);
  }
}
