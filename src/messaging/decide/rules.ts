import type { normalizePhone } from '../normalize/phone';
import type { NormalizationSettings } from '../normalize/settings';

/** What the owner may decide; see docs/configuration.md. */
export interface Rules extends NormalizationSettings {
  /** `count`: distinct orders seen. `source`: the count that came with the newest order, where one did. */
  readonly totalOrders: 'count' | 'source';
  /** An inactive tenant suspends its account. */
  readonly inactiveSuspends: boolean;
  /** Tenants with is_platform get an account too. */
  readonly platformTenants: boolean;
  /** {@link normalizePhone}, or a form of it that remembers. */
  readonly phone: typeof normalizePhone;
}
