/** What an owner may decide about facts; everything else of normalization is fixed. */
export interface NormalizationSettings {
  /** Addresses or domains (their subdomains included) that are no customer's, lower case; see {@link emailBlocklist}. */
  readonly emailBlocklist: ReadonlySet<string>;
  /** Customer ids that name nobody (a "walk-in" customer would join all its orders into one contact). */
  readonly customerIdBlocklist: ReadonlySet<string>;
  /** Order statuses that do not count towards `total_orders`, compared exactly. */
  readonly notCountingStatuses: ReadonlySet<string>;
}

export const DEFAULT_NORMALIZATION: NormalizationSettings = {
  emailBlocklist: new Set(),
  customerIdBlocklist: new Set(),
  notCountingStatuses: new Set(['Cancelado']),
};

/** Entries as people write them (`Tienda.pe`, `@tienda.pe`, ` ventas@tienda.pe `) in the form the look-up needs. */
export function emailBlocklist(entries: readonly string[]): ReadonlySet<string> {
  return new Set(entries.map((entry) => entry.trim().toLowerCase().replace(/^@/, '')).filter((entry) => entry !== ''));
}
