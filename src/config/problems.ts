/** One thing that is wrong in what the user wrote. */
export interface Problem {
  /** Variable, or file and key. */
  readonly where: string;
  /** What is there, fit to be printed: never a secret. */
  readonly found: string;
  readonly expected: string;
}

/** A list for a terminal: a headline and one aligned line a problem. */
export function describeProblems(subject: string, problems: readonly Problem[]): string {
  const width = Math.max(...problems.map((p) => p.where.length));
  const headline = `${problems.length} ${problems.length === 1 ? 'problem' : 'problems'} in ${subject}:`;
  return [headline, ...problems.map((p) => `  ${p.where.padEnd(width)}  ${p.found}; expected ${p.expected}`)].join(
    '\n',
  );
}

/** A value as one short line. */
export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}
