import type { Region } from '../normalize/phone';
import type { NormalizationSettings } from '../normalize/settings';

/** What the owner may decide; see docs/configuration.md. */
export interface Rules extends NormalizationSettings {
  /** `count`: distinct orders seen. `source`: the count that came with the newest order, where one did. */
  readonly totalOrders: 'count' | 'source';
  /** An inactive tenant suspends its account. */
  readonly inactiveSuspends: boolean;
  /** Tenants with is_platform get an account too. */
  readonly platformTenants: boolean;
  /** Which key decides when an order's phone and e-mail lead to different contacts. */
  readonly precedence: 'phone' | 'email';
  /** Normalizes a phone; with or without landlines, as the owner decided. */
  readonly phone: (raw: string | null, region: Region) => string | null;
}
