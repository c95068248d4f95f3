import { readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';

/**
 * What a power cut leaves of a broker's logs: sizes are noted as they grow, and `cut` takes from a partition what was written
 * since a moment, as if it had been in the page cache only. The broker must be down.
 */
export class PowerCut {
  /** By partition: sizes of its last segment, oldest first. */
  private readonly sizes = new Map<string, { readonly at: number; readonly file: string; readonly bytes: number }[]>();
  private readonly timer: NodeJS.Timeout;

  /** `logs`: the broker's folder of partitions. */
  constructor(private readonly logs: string) {
    this.timer = setInterval(() => this.note(), 100);
    this.note();
  }

  /** Of `topic`, by partition number. */
  partitions(topic: string): number[] {
    return readdirSync(this.logs)
      .filter((name) => name.startsWith(`${topic}-`))
      .map((name) => Number(name.slice(topic.length + 1)))
      .sort((a, b) => a - b);
  }

  /** Bytes that are gone. */
  cut(topic: string, partition: number, since: number): number {
    const folder = `${topic}-${partition}`;
    const noted = this.sizes.get(folder) ?? [];
    const last = noted.at(-1)!;
    const before = noted.findLast(({ at, file }) => at <= since && file === last.file);
    const bytes = before?.bytes ?? 0;
    truncateSync(join(this.logs, folder, last.file), bytes);
    // What is derived from the log is made again from it.
    for (const name of readdirSync(join(this.logs, folder)))
      if (/\.(index|timeindex|txnindex|snapshot)$/.test(name)) rmSync(join(this.logs, folder, name));
    for (const name of ['recovery-point-offset-checkpoint', 'replication-offset-checkpoint'])
      rmSync(join(this.logs, name), { force: true });
    return last.bytes - bytes;
  }

  note(): void {
    const at = Date.now();
    for (const folder of readdirSync(this.logs)) {
      if (!/-\d+$/.test(folder) || folder.startsWith('__')) continue;
      const file = readdirSync(join(this.logs, folder))
        .filter((name) => name.endsWith('.log'))
        .sort()
        .at(-1);
      if (file === undefined) continue;
      const { size: bytes } = statSync(join(this.logs, folder, file));
      const noted = this.sizes.get(folder) ?? [];
      if (noted.at(-1)?.bytes !== bytes || noted.at(-1)?.file !== file) noted.push({ at, file, bytes });
      this.sizes.set(folder, noted);
    }
  }

  end(): void {
    clearInterval(this.timer);
  }
}
