import { CdcError } from '../core/errors';
import type { Contract } from './contract';
import type { SchemaIds } from './encoder-factory';
import { schemasOf } from './envelope';
import type { SchemaRegistry } from './registry';

/** Every version reads every other: what was written once can always be read, by old consumers and new. */
export const COMPATIBILITY = 'FULL_TRANSITIVE';

/** What set-up would do with one subject. */
export interface SubjectPlan {
  readonly subject: string;
  readonly schema: string;
  /** Id of the schema there; null = to be registered. */
  readonly id: number | null;
  /** The subject's level now; null = none of its own. */
  readonly compatibility: string | null;
  /** Why the registry would refuse the schema; null = it would not. */
  readonly incompatible: string | null;
}

const subjectsOf = (contract: Contract) => {
  const { key, value } = schemasOf(contract);
  return [
    { subject: `${contract.topic}-key`, schema: key },
    { subject: `${contract.topic}-value`, schema: value },
  ];
};

/** Looks, changes nothing. */
export async function planSubjects(registry: SchemaRegistry, contracts: readonly Contract[]): Promise<SubjectPlan[]> {
  return Promise.all(
    contracts.flatMap(subjectsOf).map(async ({ subject, schema }) => {
      const id = await registry.lookup(subject, schema);
      const compatibility = await registry.compatibility(subject);
      const incompatible = id === null ? await registry.incompatibility(subject, schema) : null;
      return { subject, schema, id, compatibility, incompatible };
    }),
  );
}

/**
 * Registers what is missing and sets the compatibility; what is as it should be is left alone. Returns the plan as it was
 * before. Rejects with schema_incompatible, before anything is changed where the subject's level shows it already.
 */
export async function ensureSubjects(
  registry: SchemaRegistry,
  contracts: readonly Contract[],
): Promise<readonly SubjectPlan[]> {
  const plans = await planSubjects(registry, contracts);
  for (const { subject, incompatible } of plans)
    if (incompatible !== null) throw new CdcError('schema_incompatible', `subject ${subject}: ${incompatible}`);
  for (const { subject, schema, id, compatibility } of plans) {
    // The level first, so that the registration is held to it; then again where the first version made the subject.
    if (compatibility !== COMPATIBILITY) await registry.setCompatibility(subject, COMPATIBILITY);
    if (id === null) await registry.register(subject, schema);
    if (compatibility === null && (await registry.compatibility(subject)) !== COMPATIBILITY)
      await registry.setCompatibility(subject, COMPATIBILITY);
  }
  return plans;
}

/** Ids of the contracts' schemas by topic. Rejects with setup_needed when one is not registered as it stands. */
export async function lookupSubjects(
  registry: Pick<SchemaRegistry, 'lookup'>,
  contracts: readonly Contract[],
): Promise<ReadonlyMap<string, SchemaIds>> {
  const found = await Promise.all(
    contracts.map(async (contract): Promise<[string, SchemaIds]> => {
      const [key, value] = await Promise.all(
        subjectsOf(contract).map(async ({ subject, schema }) => {
          const id = await registry.lookup(subject, schema);
          if (id !== null) return id;
          throw new CdcError('setup_needed', `subject ${subject} does not have the schema of ${contract.file}`);
        }),
      );
      return [contract.topic, { key: key!, value: value! }];
    }),
  );
  return new Map(found);
}
