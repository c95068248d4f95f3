import { type CdcError, toCdcError } from '../core/errors';

export interface TopicWatchDeps {
  /** Whether the topics still are as they were left; rejects with what is wrong. */
  check(): Promise<void>;
  /** They held, at `at`, all that was acknowledged before. */
  held(at: number): void;
  /** Ends this life of capture. */
  fail(error: CdcError): void;
}

const LOOK_MS = 5000;
/** Where nothing is confirmed before it was seen to be there still. */
const TRAILING_LOOK_MS = 1000;

/** Looks at the topics by the clock: partitions that somebody added, and ends that a power cut took. */
export class TopicWatch {
  private timer: NodeJS.Timeout | undefined;
  private looking = false;

  constructor(
    private readonly d: TopicWatchDeps,
    private readonly trailing: boolean,
  ) {}

  start(): void {
    this.timer = setInterval(() => void this.look(), this.trailing ? TRAILING_LOOK_MS : LOOK_MS);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private async look(): Promise<void> {
    if (this.looking) return;
    this.looking = true;
    const at = Date.now();
    try {
      await this.d.check();
      this.d.held(at);
    } catch (error) {
      // Away for a moment is the writer's to notice.
      const trouble = toCdcError(error);
      if (trouble.kind !== 'kafka_unreachable') this.d.fail(trouble);
    }
    this.looking = false;
  }
}
