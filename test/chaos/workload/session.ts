import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import type { Random } from '../../../src/dev/shop/random';

/**
 * What all clients believe to be there. Some of it is gone, or was never committed: a change of such a row touches nothing, an
 * order of such a tenant is refused.
 */
export class World {
  readonly tenants: string[] = [];
  readonly orders: string[] = [];
  private serial = 0;

  /** Never the same twice. */
  number(): number {
    return ++this.serial;
  }

  know(kind: 'tenants' | 'orders', id: string, random: Random): void {
    const known = this[kind];
    if (known.length < (kind === 'tenants' ? 30 : 3_000)) known.push(id);
    else known[random.integer(0, known.length - 1)] = id;
  }

  forget(kind: 'tenants' | 'orders', id: string): void {
    const at = this[kind].indexOf(id);
    if (at >= 0) this[kind].splice(at, 1);
  }
}

/** One client's connection, and its chance. */
export class Session {
  constructor(
    readonly client: Client,
    readonly random: Random,
    readonly world: World,
  ) {}

  async run(text: string, values: readonly unknown[] = []): Promise<void> {
    await this.client.query(text, [...values]);
  }

  /** The column `id` of the rows that the statement returns. */
  async ids(text: string, values: readonly unknown[]): Promise<string[]> {
    const { rows } = await this.client.query<{ id: string }>(text, [...values]);
    return rows.map(({ id }) => id);
  }

  /** COPY … FROM STDIN: PostgreSQL writes many rows into one WAL record. */
  async copy(text: string, lines: readonly string[]): Promise<void> {
    await pipeline(lines, this.client.query(copyFrom(text)));
  }

  pause(atMostMs: number): Promise<void> {
    return sleep(this.random.integer(0, atMostMs));
  }

  tenant(): string {
    return this.world.tenants.length > 0 ? this.random.pick(this.world.tenants) : this.uuid();
  }

  order(): string {
    return this.world.orders.length > 0 ? this.random.pick(this.world.orders) : this.uuid();
  }

  uuid(): string {
    const hex = this.hex(32);
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  }

  /** Does not compress, so a few thousand of them are stored out of line. */
  hex(length: number): string {
    let text = '';
    while (text.length < length) text += this.random.integer(0, 0xffffffff).toString(16).padStart(8, '0');
    return text.slice(0, length);
  }
}
