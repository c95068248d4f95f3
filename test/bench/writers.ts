import { insertOrders, type Source } from './backlog';

const WRITERS = 4;

/**
 * Orders numbered from `from` on, one a transaction, at a steady rate, from sessions that loop inside the server: that costs a
 * fraction of what a client's round trips would. Resolves when the last is committed.
 */
export async function writeSteadily(source: Source, perSecond: number, seconds: number, from = 1): Promise<void> {
  const each = Math.ceil((perSecond * seconds) / WRITERS);
  const loop = (writer: number) => {
    const number = `${from} + n * ${WRITERS} + ${writer}`;
    return `
      DO $$
      DECLARE began timestamptz := clock_timestamp();
      BEGIN
        FOR n IN 0..${each - 1} LOOP
          ${insertOrders(number, number)};
          COMMIT;
          PERFORM pg_sleep(extract(epoch FROM began - clock_timestamp()) + (n + 1) * ${(seconds / each).toFixed(9)});
        END LOOP;
      END $$`;
  };
  await Promise.all(Array.from({ length: WRITERS }, (_, writer) => source.query(loop(writer))));
}
