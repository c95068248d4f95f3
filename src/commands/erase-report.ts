import type { ErasureReport } from '../messaging/erase/erase';
import type { ErasureRequest } from '../messaging/erase/person';
import type { Keeping } from './wire-erase';

export interface ShownErasure {
  readonly report: ErasureReport;
  readonly keeping: Keeping;
  /** False: a preview. */
  readonly done: boolean;
  /** Asked for, and how many were written. */
  readonly tombstones: boolean;
  readonly written: number;
  readonly nowMs: number;
}

/** Ids shown in a line. */
const SHOWN = 10;

/** For people: tables, ids and column names, no values. */
export function describe(shown: ShownErasure): string {
  const { report, done } = shown;
  const lines = report.nothing ? [nothing(done)] : [done ? 'Erased:' : 'Would be erased:', ...tables(report)];
  const kept = report.contacts.filter((contact) => contact.kept.length > 0);
  if (kept.length > 0) {
    lines.push('', 'Stays, because it was not written by the sinks; a person in Messaging can remove it:');
    for (const contact of kept) lines.push(`  contact ${contact.id}: ${contact.kept.join(', ')}`);
  }
  lines.push('', 'Not touched: the orders in Ventia, conversations and messages in Messaging, backups.');
  lines.push(...topicLines(shown));
  if (!done) lines.push('', 'Nothing is done yet: --yes does it.');
  return `${lines.join('\n')}\n`;
}

const nothing = (done: boolean) =>
  done
    ? 'Nothing was left to erase. Orders of this person up to now that still come will come without the person.'
    : 'Nothing is left to erase.';

function tables({ contacts, orders, aliases, deadLetters, hashes }: ErasureReport): string[] {
  const cleared = contacts.filter((contact) => contact.cleared.length > 0);
  const of = (where: string) => orders.filter((order) => order.where === where).length;
  const lines = [
    row(
      'contacts',
      cleared.length,
      cleared.map(({ id, cleared: columns }) => `${id} (${columns.join(', ')})`),
    ),
    row(
      'cdc.order_fact',
      orders.length,
      orders.map(({ id }) => id),
    ),
    row('cdc.identity_alias', aliases, []),
    row('cdc.dead_letter', deadLetters.length, deadLetters),
  ];
  if (of('parked') + of('unlinked') > 0)
    lines.splice(
      2,
      0,
      `${' '.repeat(30)}${of('linked')} linked, ${of('unlinked')} without a contact, ${of('parked')} parked`,
    );
  return [...lines, `  kept as hashes              ${String(hashes).padStart(6)}`];
}

function row(table: string, count: number, ids: readonly string[]): string {
  const more = ids.length > SHOWN ? ` and ${ids.length - SHOWN} more (--json has all)` : '';
  return `  ${table.padEnd(24)}${String(count).padStart(10)}  ${ids.slice(0, SHOWN).join(', ')}${more}`.trimEnd();
}

function topicLines({ report, keeping, done, tombstones, written, nowMs }: ShownErasure): string[] {
  const { topic, leastMs, mostMs } = keeping;
  const lines = ['', `Topic ${topic}:`];
  const until =
    mostMs === null
      ? 'without a limit (ventia-cdc setup mends the topic)'
      : `until ${day(nowMs + mostMs)} at the latest`;
  const least = leastMs === null ? '' : ` (compaction begins ${day(nowMs + leastMs)})`;
  if (tombstones && report.orders.length > 0) {
    lines.push(
      done
        ? `  ${written} tombstones were written; earlier records of these orders are there ${until}${least}.`
        : `  ${report.orders.length} tombstones would be written; earlier records of these orders stay ${until}${least}.`,
      '  An order that Ventia changes later is in the topic again, as Ventia has it then.',
    );
  } else {
    lines.push(
      '  The last record of each order stays as it is until Ventia changes or deletes the order; redact or delete it there.',
      `  If that is done today, earlier records are there ${until}${least}.`,
      ...(report.orders.length > 0 && !done
        ? ['  --tombstones takes the orders out of the topic without waiting for Ventia.']
        : []),
    );
  }
  lines.push('  A partition in which nothing is written any more keeps its last records longer.');
  return lines;
}

const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);

/** For programs: the same, with all ids. The person is told by kind only. */
export function asJson({ tenantId, kind }: ErasureRequest, shown: ShownErasure): object {
  const { report, keeping, done, tombstones, written, nowMs } = shown;
  const at = (ms: number | null) => (ms === null ? null : new Date(nowMs + ms).toISOString());
  return {
    tenant: tenantId,
    by: kind,
    erased: done,
    ...report,
    tombstones: tombstones ? written : null,
    topic: { name: keeping.topic, compactedFrom: at(keeping.leastMs), goneBy: at(keeping.mostMs) },
  };
}
