import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { Database } from '../../../src/core/ports/sql';
import { choosePorts } from '../../../src/dev/stack/ports';
import { startPostgres } from '../../../src/dev/stack/postgres';
import { openDatabase } from '../../../src/postgres/database';
import { createSlot, dropSlot, judgeSlot, observeSlot, readIdentity } from '../../../src/postgres/slot';
import { createDatabase, type TestDatabase, uniqueName } from '../../support/stack';
import { postgresMajor } from '../../support/tools';
import { eventually } from '../../support/wait';

const options = { applicationName: 'slot-test' };

describe('the life of a slot', () => {
  let database: TestDatabase;
  let db: Database;
  const slot = uniqueName('life');

  beforeAll(async () => {
    database = await createDatabase('slot');
    db = openDatabase(database.url, 'source', options);
  });

  afterAll(async () => {
    await db.close();
    await database.drop();
  });

  it('begins once', async () => {
    expect(await observeSlot(db, slot)).toBeNull();
    const lsn = await createSlot(db, slot, 10_000);
    const observed = await observeSlot(db, slot);
    expect(observed).toMatchObject({
      name: slot,
      plugin: 'pgoutput',
      logical: true,
      database: database.name,
      temporary: false,
      sender: null,
      confirmedLsn: lsn,
      walStatus: 'reserved',
      safeWalBytes: null,
      invalidationReason: null,
      failover: postgresMajor() >= 17,
    });
    expect(
      judgeSlot(observed, { name: slot, database: database.name, captured: true, confirmedAtMost: lsn }),
    ).toBeNull();
    expect(await createSlot(db, slot, 10_000)).toBeNull();
  });

  it('shows how much WAL it keeps', async () => {
    const before = (await observeSlot(db, slot))!.retainedBytes!;
    await db.execute(`SELECT pg_logical_emit_message(true, 'x', repeat('x', 100000))`);
    const after = (await observeSlot(db, slot))!;
    expect(after.retainedBytes! - before).toBeGreaterThanOrEqual(100_000n);
    expect((await readIdentity(db)).walLsn).toBeGreaterThan(after.confirmedLsn!);
  });

  it('is not dropped while somebody streams from it', async () => {
    const client = new Client({ connectionString: database.url, replication: 'database' } as never);
    client.on('error', () => {});
    await client.connect();
    const streaming = client.query(
      `START_REPLICATION SLOT ${slot} LOGICAL 0/0 (proto_version '1', publication_names 'none')`,
    );
    streaming.catch(() => {});
    const pid = await eventually(async () => (await observeSlot(db, slot))!.sender?.pid);
    expect(pid).toBe((client as unknown as { processID: number }).processID);
    await expect(dropSlot(db, slot)).rejects.toMatchObject({ kind: 'slot_active' });
    await client.end();
    await eventually(async () => (await observeSlot(db, slot))!.sender === null);
  });

  it('ends once', async () => {
    expect(await dropSlot(db, slot)).toBe(true);
    expect(await dropSlot(db, slot)).toBe(false);
    expect(await observeSlot(db, slot)).toBeNull();
  });

  it('F18: is given up in time while a transaction is open, leaves nothing, and begins when that has ended', async () => {
    const holder = new Client({ connectionString: database.url });
    await holder.connect();
    await holder.query('BEGIN; SELECT txid_current()');
    // A session that has no lock_timeout of its own, as that of a repair.
    const attempt = createSlot(db, slot, 300);
    const given = await Promise.race([attempt.catch((error: unknown) => error), sleep(10_000, 'still waiting')]);
    await holder.query('COMMIT');
    await holder.end();
    expect(given).toMatchObject({ kind: 'source_query', sqlState: '57014' });
    expect(await observeSlot(db, slot)).toBeNull();
    expect(await createSlot(db, slot, 10_000)).not.toBeNull();
    expect(await dropSlot(db, slot)).toBe(true);
  });

  it('needs a name that replication commands can hold', async () => {
    await expect(createSlot(db, 'a"b', 1_000)).rejects.toMatchObject({ kind: 'settings_invalid' });
  });
});

it('a slot whose WAL the server gave up is seen as lost', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'slot-'));
  const { port } = await choosePorts({ port: 0 });
  const settings = { max_slot_wal_keep_size: '1MB', max_wal_size: '32MB', min_wal_size: '32MB', max_connections: 10 };
  const server = await startPostgres({ dir, port, settings });
  const db = openDatabase(server.url, 'source', options);
  try {
    await createSlot(db, 'lost', 10_000);
    expect((await observeSlot(db, 'lost'))!.safeWalBytes).toBeGreaterThan(0n);
    await eventually(async () => {
      await db.execute(`SELECT pg_logical_emit_message(false, 'x', 'y'), pg_switch_wal()`);
      await db.execute('CHECKPOINT');
      return (await observeSlot(db, 'lost'))!.walStatus === 'lost';
    });
    const observed = await observeSlot(db, 'lost');
    const expected = { name: 'lost', database: 'postgres', captured: true, confirmedAtMost: null };
    expect(judgeSlot(observed, expected)).toMatchObject({
      kind: 'slot_lost',
      // Older servers do not say why.
      message: expect.stringContaining(postgresMajor() >= 17 ? 'wal_removed' : 'lost'),
    });
  } finally {
    await db.close();
    await server.stop();
    rmSync(dir, { recursive: true });
  }
}, 30_000);
