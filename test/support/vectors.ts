import type { Profile } from '../../src/dev/demo-schema';
import { SECTIONS, type Section, type Vector } from '../fixtures/vectors';

export interface VectorTests {
  /** A test of the vector; several may share an id. Throws for an id that the section does not have. */
  readonly vector: (id: string, says: string, run: () => Promise<void>) => void;
  /** A test that fails when a vector of the section has none; to be called last. */
  readonly complete: (...elsewhere: readonly string[]) => void;
}

/** For the tests of one section of fixtures/vectors in one profile. */
export function vectorsOf(section: Section, profile: Profile): VectorTests {
  const ids = idsOf(section, profile);
  const missing = new Set(ids);
  return {
    vector(id, says, run) {
      if (!ids.includes(id)) throw new Error(`${id} is no vector of "${section}" in profile ${profile}`);
      missing.delete(id);
      test(`${id} ${says}`, run);
    },
    complete(...elsewhere) {
      test(`every vector of "${section}" has run`, () => expect([...missing]).toEqual(elsewhere));
    },
  };
}

const idsOf = (section: Section, profile: Profile): string[] =>
  (SECTIONS[section] as readonly Vector[])
    .filter(({ only }) => only === undefined || only === profile)
    .map(({ id }) => id);
