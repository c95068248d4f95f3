import type { ChangeEvent, Op, Row } from '../../src/core/change';
import type { Rules } from '../../src/messaging/decide/rules';
import { rememberingPhoneNormalizer } from '../../src/messaging/normalize/phone';
import { DEFAULT_NORMALIZATION } from '../../src/messaging/normalize/settings';
import { jumpingClock } from './doubles/wal';

export const RULES: Rules = {
  ...DEFAULT_NORMALIZATION,
  totalOrders: 'count',
  precedence: 'phone',
  inactiveSuspends: true,
  platformTenants: true,
  phone: rememberingPhoneNormalizer(),
};

/** Microseconds of 2026-01-01, from which times in the tests count. */
export const EPOCH_US = 1_767_225_600_000_000n;

let lastLsn = 0x1000n;

export interface EventOptions {
  readonly op?: Op;
  /** Commit LSN; each event gets the next when it is not given. */
  readonly lsn?: bigint;
  readonly seq?: bigint;
  readonly epoch?: bigint;
  readonly before?: Row | null;
  readonly unchanged?: readonly string[];
}

export function changeEvent(table: string, id: string, after: Row | null, options: EventOptions = {}): ChangeEvent {
  const commitLsn = options.lsn ?? ++lastLsn;
  return {
    op: options.op ?? (after ? 'c' : 'd'),
    position: { epoch: options.epoch ?? 1n, commitLsn, seq: options.seq ?? 0n },
    id,
    before: options.before ?? null,
    after,
    unchanged: options.unchanged ?? null,
    commitTime: EPOCH_US + jumpingClock(commitLsn) + 123_456n,
    table,
  };
}
