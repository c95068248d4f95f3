import type { Lsn } from './lsn';

/**
 * Up to which moment everything that was committed is through a stage: a look at the end of the WAL at some time, and the stage
 * passing that end later. Needs no write in the source, and is right on an idle one.
 */
export class Freshness {
  private readonly looks: { readonly lsn: Lsn; readonly atMs: number }[] = [];

  /** At `atMs` the WAL did not yet reach beyond `lsn`. */
  look(lsn: Lsn, atMs: number): void {
    // What waits for long is thinned out, oldest and newest kept: the answer gets coarser, memory does not grow.
    if (this.looks.length >= MOST) for (let i = MOST - 2; i > 0; i -= 2) this.looks.splice(i, 1);
    this.looks.push({ lsn, atMs });
  }

  /** The stage has everything before `lsn`. Returns the moment, milliseconds since 1970; null = none new. */
  passed(lsn: Lsn): number | null {
    let moment: number | null = null;
    while (this.looks[0] && this.looks[0].lsn <= lsn) moment = this.looks.shift()!.atMs;
    return moment;
  }
}

const MOST = 256;
