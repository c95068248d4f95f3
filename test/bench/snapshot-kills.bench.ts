import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { LoadView } from '../../src/core/load-view';
import { Random } from '../../src/dev/shop/random';
import { project } from '../support/once';
import { TestPipeline } from '../support/pipeline';
import type { RunningService } from '../support/service';
import { eachChange, type TopicChange } from '../support/topics';
import { VentiaRows } from '../support/ventia-rows';
import { eventually } from '../support/wait';

/**
 * The first load of ROWS orders while a client writes, once undisturbed and once with KILLS times `kill -9` of capture spread
 * over it: what the deaths cost, and that the topic is the table after both. Chunks have CHUNK rows, so that those of the two
 * loads compare; above 2,000 a load would first have to work its way up to them after each death.
 *
 *   ROWS=50000 KILLS=4 npm run bench:kills
 */
const ROWS = Number(process.env.ROWS ?? 1_000_000);
const KILLS = Number(process.env.KILLS ?? 20);
const CHUNK = Number(process.env.CHUNK ?? 2_000);
const SEED = Number(process.env.KILL_SEED ?? Date.now() % 1_000_000);
const WRITES_PER_SECOND = 200;
const TENANTS = 100;
const MINUTES = 60_000;

jest.setTimeout(60 * MINUTES);

interface Run {
  readonly seconds: number;
  /** Of the load as it was recorded at each kill: rows passed over. */
  readonly killedAt: readonly number[];
  readonly load: LoadView;
  /** Committed by the client. */
  readonly written: number;
  readonly topic: Topic;
  /** Rows of the table, and how many of them are not what the topic says, or keys of the topic that the table has not. */
  readonly table: number;
  readonly different: number;
}

/** The newest record of a key, by position: the digest of its row, null = deleted; and whether the load has read the key. */
interface Newest {
  readonly position: string;
  readonly row: string | null;
  readonly read: boolean;
}

/** What a topic comes to. */
interface Topic {
  readonly records: number;
  readonly readRows: number;
  readonly readTwice: number;
  /** Chunks of which at least one record is there. */
  readonly chunks: number;
  readonly streamed: number;
  readonly streamedTwice: number;
  readonly newest: Map<string, Newest>;
}

describe(`a first load of ${ROWS} orders and ${KILLS} kills`, () => {
  it('is the table, with every change once, however often capture died', async () => {
    const undisturbed = await run(0);
    const killed = await run(KILLS);
    report(undisturbed, killed);
    for (const { topic, written, different, table, load, killedAt } of [undisturbed, killed]) {
      expect(table).toBeGreaterThan(ROWS / 2);
      expect(different).toBe(0);
      expect([topic.streamed, topic.streamedTwice]).toEqual([written, 0]);
      // A death costs the chunk in flight at most.
      expect(topic.readTwice).toBeLessThanOrEqual(killedAt.length * CHUNK);
      expect(topic.chunks).toBeLessThanOrEqual(load.chunks + killedAt.length);
    }
  });
});

async function run(kills: number): Promise<Run> {
  const pipeline = await TestPipeline.create('seed', { source: { 'snapshot.chunk.rows': CHUNK } });
  try {
    await fill(pipeline);
    // The slot is made now: the WAL that it keeps has none of these rows.
    await pipeline.setup();
    const loaded = await loadWhileWriting(pipeline, kills);
    await pipeline.captured(10 * MINUTES);
    const topic = await foldTopic(pipeline);
    return { ...loaded, topic, ...(await compare(pipeline, topic)) };
  } finally {
    await pipeline.drop();
  }
}

async function loadWhileWriting(
  pipeline: TestPipeline,
  kills: number,
): Promise<Pick<Run, 'seconds' | 'killedAt' | 'load' | 'written'>> {
  const random = new Random(SEED);
  const killedAt: number[] = [];
  const writer = await Writer.start(pipeline);
  try {
    const begun = Date.now();
    let capture = pipeline.start(pipeline.connectors.source);
    for (let kill = 1; kill <= kills; kill++) {
      const { status, scanned } = await reaches(capture, (ROWS * kill) / (kills + 1));
      if (status === 'done')
        throw new Error(`the load was over before kill ${kill}: it wants more ROWS or fewer KILLS`);
      await sleep(random.integer(0, 100));
      await capture.stop('SIGKILL');
      killedAt.push(scanned);
      capture = pipeline.start(pipeline.connectors.source);
    }
    const load = await reaches(capture, Number.POSITIVE_INFINITY);
    const seconds = (Date.now() - begun) / 1000;
    return { seconds, killedAt, load, written: await writer.stop() };
  } finally {
    await writer.stop();
  }
}

function fill(pipeline: TestPipeline): Promise<void> {
  return pipeline.source(async (client) => {
    await client.query(
      `INSERT INTO ventia.tenants (name, slug) SELECT 'Tienda ' || i, 'tienda-' || i FROM generate_series(1, ${TENANTS}) i`,
    );
    await client.query(`
      INSERT INTO ventia.orders (tenant_id, order_number, customer_name, customer_email, customer_phone, status, total_amount)
      SELECT t.ids[1 + i % ${TENANTS}], 'N' || i, 'Ana Perez ' || i, 'ana' || i || '@tienda.pe', '987654321', 'Pagado', 10.5
      FROM generate_series(1, ${ROWS}) i, (SELECT array_agg(id ORDER BY id) ids FROM ventia.tenants) t`);
    await client.query('ANALYZE ventia.orders');
  });
}

/** The load of orders, as soon as it has passed over so many rows or is done. */
function reaches(capture: RunningService, rows: number): Promise<LoadView> {
  return eventually(
    async () => {
      const loads = (await (await fetch(`${await capture.address()}/api/snapshots`)).json()) as LoadView[];
      const load = loads.find(({ table }) => table === 'ventia.orders')!;
      return (load.scanned >= rows || load.status === 'done') && load;
    },
    { timeoutMs: 10 * MINUTES, intervalMs: 50 },
  );
}

/** One client that inserts, updates and deletes orders all over the table, the same number of it in and out. */
class Writer {
  private written = 0;
  private stopping = false;
  /** Its session is over. */
  private readonly done: Promise<void>;

  private constructor(
    client: Client,
    private readonly rows: VentiaRows,
    private readonly tenants: readonly string[],
    private readonly orders: string[],
  ) {
    this.done = this.work().finally(() => client.end());
    // Told by stop().
    this.done.catch(() => {});
  }

  static async start({ databases }: TestPipeline): Promise<Writer> {
    const client = new Client({ connectionString: databases.sourceUrl });
    await client.connect();
    const ids = async (query: string) => (await client.query(query)).rows.map(({ id }) => String(id));
    const tenants = await ids('SELECT id FROM ventia.tenants ORDER BY 1');
    const orders = await ids('SELECT id FROM ventia.orders ORDER BY random() LIMIT 50000');
    return new Writer(client, await VentiaRows.open(client, 'ventia'), tenants, orders);
  }

  /** Rejects when a write failed; gives the number of changes that are committed. */
  async stop(): Promise<number> {
    this.stopping = true;
    await this.done;
    return this.written;
  }

  private async work(): Promise<void> {
    const random = new Random(SEED);
    const begun = Date.now();
    while (!this.stopping) {
      await this.change(random);
      this.written++;
      await sleep(Math.max(0, begun + (this.written * 1000) / WRITES_PER_SECOND - Date.now()));
    }
  }

  private async change(random: Random): Promise<void> {
    const { rows, orders } = this;
    const what = random.weighted({ insert: 30, update: 40, delete: 30 });
    const at = random.integer(0, orders.length - 1);
    if (what === 'insert') {
      const values = { customer_name: 'Nueva', customer_email: `nueva${this.written}@tienda.pe` };
      orders.push(await rows.order(random.pick(this.tenants), values));
    } else if (what === 'update') {
      await rows.update('orders', orders[at]!, { status: 'Enviado', customer_name: `Ana ${this.written}` });
    } else {
      await rows.delete('orders', orders[at]!);
      orders[at] = orders.at(-1)!;
      orders.pop();
    }
  }
}

/** Reads the whole topic and keeps a position and a digest for each key. */
async function foldTopic(pipeline: TestPipeline): Promise<Topic> {
  const newest: Topic['newest'] = new Map();
  const chunks = new Set<string>();
  const streamed = new Set<string>();
  const counts = { records: 0, readRows: 0, readTwice: 0, streamedTwice: 0 };
  const visit = ({ key, op, position, after }: TopicChange) => {
    const known = newest.get(key);
    counts.records++;
    if (op === 'r') {
      if (known?.read) counts.readTwice++;
      counts.readRows++;
      // All of a chunk have epoch and LSN in common, and differ in the last part.
      chunks.add(position.slice(0, position.lastIndexOf('-')));
    } else if (op !== 'tombstone') {
      if (streamed.has(position)) counts.streamedTwice++;
      streamed.add(position);
    }
    const read = op === 'r' || known?.read === true;
    const newer = !known || known.position <= position;
    newest.set(key, newer ? { position, row: after && digest(after), read } : { ...known, read });
  };
  await eachChange(pipeline.topics.orders, visit, pipeline.brokers);
  return { ...counts, chunks: chunks.size, streamed: streamed.size, newest };
}

/** Row by row, a few at a time; takes what fits out of `newest`. */
function compare(pipeline: TestPipeline, { newest }: Topic): Promise<Pick<Run, 'table' | 'different'>> {
  return pipeline.source(async (client) => {
    let table = 0;
    let different = 0;
    await client.query('BEGIN');
    await client.query('DECLARE rows NO SCROLL CURSOR FOR SELECT id::text, to_jsonb(o) AS row FROM ventia.orders o');
    for (;;) {
      const { rows } = await client.query('FETCH 5000 FROM rows');
      if (rows.length === 0) break;
      for (const { id, row } of rows) {
        table++;
        if (newest.get(id)?.row !== digest(row)) different++;
        newest.delete(id);
      }
    }
    await client.query('COMMIT');
    for (const { row } of newest.values()) if (row !== null) different++;
    return { table, different };
  });
}

const digest = (row: Readonly<Record<string, unknown>>): string =>
  createHash('md5').update(project('orders', row)).digest('base64');

function report(undisturbed: Run, killed: Run): void {
  const line = (what: string, of: (run: Run) => number | string) =>
    `${what.padEnd(44)}${[undisturbed, killed].map((run) => of(run).toLocaleString('en').padStart(16)).join('')}`;
  const deaths = killed.killedAt.length;
  const lines = [
    `first load of ${ROWS} orders in chunks of ${CHUNK}, ${WRITES_PER_SECOND} writes/s asked for, KILL_SEED=${SEED}`,
    line('', ({ killedAt }) => (killedAt.length === 0 ? 'undisturbed' : `${killedAt.length} x kill -9`)),
    line('seconds, from the first start to the end', ({ seconds }) => seconds.toFixed(1)),
    line('rows of the table at the end', ({ table }) => table),
    line('  that the topic tells otherwise', ({ different }) => different),
    line('records in the topic, tombstones with them', ({ topic }) => topic.records),
    line('  read by the load', ({ topic }) => topic.readRows),
    line('  of these a second time', ({ topic }) => topic.readTwice),
    line('  changes of the stream', ({ topic }) => topic.streamed),
    line('  of these a second time', ({ topic }) => topic.streamedTwice),
    line('changes that the client committed', ({ written }) => written),
    line('chunks recorded as done', ({ load }) => load.chunks),
    line('chunks of which records are in the topic', ({ topic }) => topic.chunks),
    `chunks: ${killed.topic.chunks}, against ${undisturbed.topic.chunks} undisturbed + ${deaths} deaths`,
    `a death cost ${((killed.seconds - undisturbed.seconds) / Math.max(1, deaths)).toFixed(2)} s`,
    `killed when the load had passed over ${killed.killedAt.map((rows) => rows.toLocaleString('en')).join('  ')} rows`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}
