import { readFileSync } from 'node:fs';
import { Client } from 'pg';
import type { ReplicationMessage } from '../../src/core/replication-message';
import { GatherPolicy } from '../../src/postgres/gather';
import { PgoutputDecoder } from '../../src/postgres/pgoutput';
import { createReplicationStream } from '../../src/postgres/stream';
import { insertFrame } from '../support/pgoutput-frames';
import { keptStack } from '../support/servers';
import { createDatabase, STACK_VARIABLE, uniqueName } from '../support/stack';

/**
 * The way from the WAL to located columns: the decoder alone, then everything up to it over loopback, reading at once and
 * gathering. Nothing else is done per row. Wants the kept servers: `npm run test:stack`, then
 *
 *   node test/support/run-ts.js test/bench/stream.ts
 */
const ROWS = 100_000;
const SMALL = 50_000;
const ROUNDS = 5;
const VALUES = `i, i % 50, 'gid://shopify/DraftOrder/' || (1234567000 + i), NULL, 'ana.perez' || i || '@example.com', 'Ana Pérez',
  '+51987654321', 149.90, 'PEN', 'Pagado', now(), now()`;

function decoderNanoseconds(): number {
  const texts = ['1000001', '17', 'gid://shopify/DraftOrder/1234567001', null, 'ana.perez@example.com', 'Ana Pérez'];
  texts.push('+51987654321', '149.90', 'PEN', 'Pagado', '2026-11-24 12:00:00.123457', '2026-11-24 12:00:00.123457');
  const frame = insertFrame(
    16385,
    texts.map((text) => (text === null ? null : { text })),
  );
  const decoder = new PgoutputDecoder();
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 200; round++) {
    const begun = process.hrtime.bigint();
    for (let i = 0; i < 10_000; i++) decoder.decode(frame);
    best = Math.min(best, Number(process.hrtime.bigint() - begun) / 10_000);
  }
  return best;
}

interface Figures {
  readonly rowsPerSecond: number;
  /** Microseconds of CPU per row: ours, and the WAL sender's. */
  readonly ours: number;
  readonly sender: number;
}

async function run(url: string, slot: string, rows: number, binary: boolean): Promise<Figures> {
  const stream = createReplicationStream({
    url,
    applicationName: slot,
    slot,
    publications: ['captured'],
    confirmed: 0n,
    binary,
  });
  const decoder = new PgoutputDecoder();
  const client = new Client({ connectionString: url });
  await client.connect();
  let seen = 0;
  let finished = () => {};
  const done = new Promise<void>((resolve) => {
    finished = resolve;
  });
  const count = (message: ReplicationMessage) => {
    if (message.type === 'insert') seen++;
    else if (message.type === 'commit' && seen >= rows) finished();
  };
  const cpu = process.cpuUsage();
  const begun = process.hrtime.bigint();
  await stream.start({
    onMessage: (payload) => count(decoder.decode(payload)),
    onKeepalive() {},
    onEnd: (error) => {
      throw error;
    },
  });
  await done;
  const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
  const { user, system } = process.cpuUsage(cpu);
  const found = await client.query('SELECT active_pid FROM pg_replication_slots WHERE slot_name = $1', [slot]);
  const sender = cpuMicroseconds(found.rows[0].active_pid);
  await stream.stop();
  await client.end();
  return { rowsPerSecond: seen / seconds, ours: (user + system) / seen, sender: sender / seen };
}

/** User and system time of a process; ticks are 10 ms. */
function cpuMicroseconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

const median = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!;

async function prepared(url: string): Promise<{ readonly large: string; readonly small: string }> {
  const client = new Client({ connectionString: url });
  await client.connect();
  const slots = { large: uniqueName('bench_large'), small: uniqueName('bench_small') };
  await client.query(`
    CREATE TABLE orders (id int PRIMARY KEY, tenant_id int, shopify_order_id text, woocommerce_order_id int, email text, name text,
      phone text, total numeric(12,2), currency text, status text, created_at timestamp, updated_at timestamp);
    CREATE PUBLICATION captured FOR TABLE orders`);
  await client.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [slots.small]);
  await client.query(`SET synchronous_commit = off`);
  await client.query(`
    DO $$ BEGIN FOR i IN 1..${SMALL} LOOP INSERT INTO orders SELECT ${VALUES}; COMMIT; END LOOP; END $$`);
  await client.query(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [slots.large]);
  await client.query(`INSERT INTO orders SELECT ${VALUES} FROM generate_series(${SMALL + 1}, ${SMALL + ROWS}) i`);
  await client.end();
  return slots;
}

async function main(): Promise<void> {
  process.stdout.write(`decoder, 12 columns: ${decoderNanoseconds().toFixed(0)} ns a row\n`);
  const stack = await keptStack();
  if (!stack) throw new Error('no servers: npm run test:stack');
  process.env[STACK_VARIABLE] = JSON.stringify(stack);
  const database = await createDatabase('bench_stream');
  const gathering = GatherPolicy.prototype.afterRead;
  try {
    const slots = await prepared(database.url);
    for (const [what, slot, rows] of [
      [`${ROWS} rows in one transaction`, slots.large, ROWS],
      [`${SMALL} transactions of one row`, slots.small, SMALL],
    ] as const) {
      for (const binary of [false, true]) {
        const figures: Record<string, Figures[]> = { 'at once': [], gathering: [] };
        for (let round = 0; round < ROUNDS; round++) {
          for (const [how, list] of Object.entries(figures)) {
            GatherPolicy.prototype.afterRead = how === 'gathering' ? gathering : () => false;
            list.push(await run(database.url, slot, rows, binary));
          }
        }
        for (const [how, list] of Object.entries(figures)) {
          const of = (key: keyof Figures) => median(list.map((one) => one[key]));
          const line = [what, binary ? 'binary' : 'text', how, `${Math.round(of('rowsPerSecond') / 1000)}k rows/s`];
          line.push(`CPU ${of('ours').toFixed(1)} us a row`, `WAL sender ${of('sender').toFixed(1)} us`);
          process.stdout.write(`${line.join(', ')}\n`);
        }
      }
    }
  } finally {
    await database.drop();
  }
}

void main();
