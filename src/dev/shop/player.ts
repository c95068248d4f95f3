import { setTimeout as sleep } from 'node:timers/promises';
import { toCdcError } from '../../core/errors';
import type { Database, Sql } from '../../core/ports/sql';
import type { Profile } from '../demo-schema';
import { ShopDatabase } from './shop-database';
import { playShop, type ShopAction } from './story';

export interface ShopOptions {
  readonly profile: Profile;
  /** Actions per second. */
  readonly rate: number;
  /** Default: the number of orders there are, so that a story is not told twice over the same data. */
  readonly seed?: number;
}

export interface ShopTotals {
  /** Actions done, each a transaction of its own (above 200 a second several share one). */
  readonly actions: number;
  /** Refused by the database, as happens to every application. */
  readonly refused: number;
}

export interface Shop {
  totals(): ShopTotals;
  /** Resolves when the last statement has ended. */
  stop(): Promise<void>;
}

const TICK_MS = 5;
const RETRY_MS = 1_000;

/** Plays the demo shop against both databases until stopped. A database that is away is waited for. */
export async function startShop(source: Database, messaging: Database, options: ShopOptions): Promise<Shop> {
  const shop = await ShopDatabase.open(source, messaging, options.profile);
  const story = playShop(options.seed ?? (await shop.countOrders()));
  const totals = { actions: 0, refused: 0 };
  const stopping = new AbortController();

  const play = async (sql: Sql, actions: readonly ShopAction[]) => {
    for (const action of actions) await shop.perform(sql, action);
  };
  const run = async () => {
    const pace = new Pace(options.rate);
    while (!stopping.signal.aborted) {
      const due = pace.due(performance.now());
      const actions = Array.from({ length: due }, () => story.next().value);
      try {
        if (actions.length > 1) await source.transaction((tx) => play(tx, actions));
        else await play(source, actions);
        totals.actions += actions.length;
      } catch (error) {
        totals.refused += actions.length;
        if (isAway(error)) await sleep(RETRY_MS, undefined, { signal: stopping.signal }).catch(() => {});
      }
      await sleep(TICK_MS);
    }
  };

  const ended = run();
  return {
    totals: () => totals,
    stop: async () => {
      stopping.abort();
      await ended;
    },
  };
}

/** How many actions are due at a time; after a pause it goes on at its rate and does not hurry to make up for it. */
class Pace {
  private last: number | undefined;
  private owed = 0;

  constructor(private readonly perSecond: number) {}

  due(now: number): number {
    const elapsed = Math.min(now - (this.last ?? now), 500);
    this.last = now;
    this.owed += (elapsed / 1000) * this.perSecond;
    const due = Math.floor(this.owed);
    this.owed -= due;
    return due;
  }
}

function isAway(error: unknown): boolean {
  return toCdcError(error).kind.endsWith('_unreachable');
}
