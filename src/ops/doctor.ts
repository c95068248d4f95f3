import { type CdcError, ERRORS, toCdcError } from '../core/errors';

/** Something that should not be as it is. */
export interface Finding {
  /** advice: it works, and will hurt one day. */
  readonly severity: 'problem' | 'advice';
  /** Of the error manual; null = it has none. */
  readonly code: string | null;
  readonly what: string;
  /** Why it matters. */
  readonly why: string;
  /** The exact command or SQL. */
  readonly fix: string;
}

/** One question. What it rejects with is its finding. */
export interface Check {
  readonly title: string;
  ask(): Promise<readonly Finding[]> | readonly Finding[];
}

/** Where questions are asked. What `open` rejects with is the finding of its first question: does it answer? */
export interface Place {
  readonly title: string;
  /** Null: this process has no address of it. */
  open(): Promise<OpenPlace | null>;
}

export interface OpenPlace {
  readonly checks: readonly Check[];
  close(): Promise<void>;
}

export interface PlaceResult {
  readonly place: string;
  /** False: it was not asked, because its address is not set here. */
  readonly asked: boolean;
  readonly checks: readonly { readonly check: string; readonly findings: readonly Finding[] }[];
}

export const ANSWERS = 'it answers';

/** Asks everything, changes nothing. */
export async function examine(places: readonly Place[]): Promise<PlaceResult[]> {
  return Promise.all(places.map(examinePlace));
}

async function examinePlace({ title: place, open }: Place): Promise<PlaceResult> {
  let opened: OpenPlace | null;
  try {
    opened = await open();
  } catch (error) {
    return { place, asked: true, checks: [{ check: ANSWERS, findings: [problem(toCdcError(error))] }] };
  }
  if (!opened) return { place, asked: false, checks: [] };
  try {
    const checks: { check: string; findings: readonly Finding[] }[] = [{ check: ANSWERS, findings: [] }];
    for (const { title: check, ask } of opened.checks) checks.push({ check, findings: await answer(ask) });
    return { place, asked: true, checks };
  } finally {
    await opened.close();
  }
}

async function answer(ask: Check['ask']): Promise<readonly Finding[]> {
  try {
    return await ask();
  } catch (error) {
    return [problem(toCdcError(error))];
  }
}

/** A finding in the words of the error manual. */
export function problem({ kind, code, message, fix }: CdcError): Finding {
  return { severity: 'problem', code, what: message, why: ERRORS[kind].meaning, fix };
}

export const advice = (what: string, why: string, fix: string): Finding => ({
  severity: 'advice',
  code: null,
  what,
  why,
  fix,
});

/** A little is no news: freshness and lag are told in seconds. */
const MOST_SKEW_MS = 2_000;

/** Another clock, read between `before` and `after` of ours; all in milliseconds. */
export function judgeClock(whose: string, theirs: number, before: number, after: number): Finding[] {
  const ahead = theirs > after ? theirs - after : Math.min(0, theirs - before);
  if (Math.abs(ahead) <= MOST_SKEW_MS) return [];
  const seconds = (Math.abs(ahead) / 1000).toFixed(1);
  return [
    {
      severity: 'problem',
      code: null,
      what: `the clock of ${whose} is ${seconds} s ${ahead > 0 ? 'ahead of' : 'behind'} the clock here`,
      why: 'Freshness and lag in seconds compare times of both machines, and records carry the time of their commit.',
      fix: 'On the machine whose clock is wrong: sudo timedatectl set-ntp true',
    },
  ];
}

/** Processes of one service are of one release, but for the moments of an upgrade. */
export function judgeVersions(ours: string, running: readonly { process: string; version: string }[]): Finding[] {
  return running
    .filter(({ version }) => version !== ours)
    .map(({ process, version }) => ({
      severity: 'problem' as const,
      code: null,
      what: `${process} runs release ${version}, and this is ${ours}`,
      why: 'Two releases write the same state and ledger: meant for the moments of an upgrade only.',
      fix: `Restart ${process} with release ${ours}.`,
    }));
}
