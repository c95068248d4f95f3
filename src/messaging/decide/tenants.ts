import type { TenantChange, TenantRow } from './change';
import type { Rules } from './rules';
import type { Account, TenantFact } from './values';
import type { World } from './world';

const ACTIVE = 0;
const SUSPENDED = 1;

/** What became of a change of a tenant. */
export interface TenantStep {
  readonly what: 'stale' | 'filtered' | 'created' | 'adopted' | 'followed' | 'deleted';
}

/**
 * Applies one change of a tenant. Its account is created, or adopted when it is there already; after that name and status
 * follow by change only, so that what an agent renamed stays until the source itself changes. An account is never deleted.
 */
export function applyTenant(world: World, change: TenantChange, rules: Rules): TenantStep {
  const { tenantId, version, row } = change;
  const stored = world.tenant(tenantId);
  // Invariant 9: equal or older changes nothing.
  if (stored && version <= stored.version) return { what: 'stale' };
  const account = world.account(tenantId);
  if (row === null) {
    const { name, isActive, timezone } = stored ?? { name: null, isActive: true, timezone: null };
    world.setTenant({ tenantId, name, isActive, timezone, version, deleted: true });
    if (account && rules.inactiveSuspends) setAccount(world, account, account.name, SUSPENDED);
    return { what: 'deleted' };
  }
  if (row.isPlatform && !rules.platformTenants) return { what: 'filtered' };

  const fact = tenantFact(change, row, stored);
  world.setTenant(fact);
  const status = fact.isActive || !rules.inactiveSuspends ? ACTIVE : SUSPENDED;
  if (!account) {
    const createdAt = row.createdAt ?? change.commitAt;
    const created = { id: world.newId(), tenantId, name: fact.name, status, createdAt };
    world.setAccount(created);
    world.labelled.add(tenantId);
    return { what: 'created' };
  }
  world.labelled.add(tenantId);
  const known = stored !== null && stored.name !== null;
  const follows =
    rules.inactiveSuspends && (stored?.deleted || (known ? stored.isActive !== fact.isActive : !fact.isActive));
  const name = known && stored.name !== fact.name ? fact.name : account.name;
  setAccount(world, account, name, follows ? status : account.status);
  return { what: known ? 'followed' : 'adopted' };
}

function tenantFact(
  { tenantId, version }: TenantChange,
  row: TenantRow,
  stored: TenantFact | null,
): TenantFact & { readonly name: string } {
  const name = row.name === undefined ? stored?.name : row.name;
  return {
    tenantId,
    name: name || row.slug || `Tenant ${tenantId}`,
    isActive: row.isActive,
    timezone: row.timezone === undefined ? (stored?.timezone ?? null) : row.timezone,
    version,
    deleted: false,
  };
}

function setAccount(world: World, account: Account, name: string, status: number): void {
  if (name !== account.name || status !== account.status) world.setAccount({ ...account, name, status });
}
