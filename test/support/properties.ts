import fc from 'fast-check';

/** Several properties of one run of histories, and which of them did not hold. */
class Violated extends Error {
  constructor(
    readonly property: string,
    cause: unknown,
  ) {
    super(`${property}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

/** Looks at one property within a run; what `look` throws is told as its violation. */
export async function holds(property: string, look: () => Promise<void> | void): Promise<void> {
  try {
    await look();
  } catch (error) {
    throw new Violated(property, error);
  }
}

/**
 * A test for each property of `title: name` over one run of fast-check, in which {@link holds} is called with the names. The
 * property that was violated shows seed, path and the shrunk counterexample; of the others nothing is known then.
 */
export function testsOf<T>(
  properties: Readonly<Record<string, string>>,
  run: () => Promise<readonly fc.RunDetails<T>[]>,
  timeoutMs: number,
): void {
  let reports: readonly fc.RunDetails<T>[] = [];
  beforeAll(async () => {
    reports = await run();
  }, timeoutMs);
  test.each(Object.entries(properties))('%s %s', (property) => {
    const broken = reports.find(({ failed }) => failed);
    if (!broken) {
      expect(reports.length).toBeGreaterThan(0);
      return;
    }
    const { errorInstance } = broken;
    if (errorInstance instanceof Violated && errorInstance.property !== property)
      throw new Error(`nothing is known: ${errorInstance.property} did not hold`);
    throw new Error(fc.defaultReportMessage(broken));
  });
}
