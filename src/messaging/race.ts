/** The application, or another sink, wrote between our look and our write: look again and decide again. */
export class RaceLost extends Error {
  constructor() {
    super('a concurrent write won');
    this.name = 'RaceLost';
  }
}

/** An order had another tenant before, which must be locked too; locks are taken at the start, ascending. */
export class MoreLocksNeeded extends Error {
  constructor(readonly tenantIds: readonly string[]) {
    super('more tenants are concerned than were locked');
    this.name = 'MoreLocksNeeded';
  }
}
