import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeWithEngine } from './engine';
import { buildImage, docker, IMAGE, Installation, TAG } from './project';
import { firstEvent, nothingLost, Traffic } from './traffic';

jest.setTimeout(600_000);

const NEXT = `${TAG}-next`;
const LAST = Math.max(...readdirSync('schemas/sql/ledger').map((file) => Number.parseInt(file, 10)));

/** An image as the next release's, which brings a migration of the ledger. `needs`: what a program must know at least. */
async function buildNext(tag: string, needs: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'ventia-next-'));
  const number = String(LAST + 1).padStart(3, '0');
  const record = `INSERT INTO cdc.migration (number, needs) VALUES (${LAST + 1}, ${needs})`;
  writeFileSync(join(folder, 'next.sql'), `ALTER TABLE cdc.checkpoint ADD COLUMN of_the_next text;\n${record};\n`);
  writeFileSync(
    join(folder, 'Dockerfile'),
    `FROM ${IMAGE}:${TAG}\nCOPY next.sql schemas/sql/ledger/${number}_next.sql\n`,
  );
  execFileSync('docker', ['build', '-q', '-t', `${IMAGE}:${tag}`, folder], { stdio: 'ignore' });
  rmSync(folder, { recursive: true });
}

describeWithEngine('another release: VENTIA_CDC_VERSION and docker compose up', () => {
  let at: Installation;
  let traffic: Traffic | null = null;
  beforeAll(async () => {
    await buildImage();
    await buildNext(NEXT, LAST);
    at = await Installation.create();
    await at.up();
    await firstEvent(at);
  });
  afterAll(async () => {
    await traffic?.stop();
    await at?.remove();
    await docker('rmi', `${IMAGE}:${NEXT}`);
  });

  const migrations = async () => (await at.sql('SELECT max(number) FROM cdc.migration'))[0]![0];
  const images = async () => {
    const containers = await Promise.all(['capture', 'sink', 'console'].map((service) => at.containers(service)));
    return new Set((await docker('inspect', '-f', '{{.Config.Image}}', ...containers.flat())).trim().split('\n'));
  };
  const change = async (tag: string) => {
    traffic = new Traffic(at, 200);
    at.set('VENTIA_CDC_VERSION', tag);
    await at.up();
    expect(await images()).toEqual(new Set([`${IMAGE}:${tag}`]));
    await at.untilReady('capture', 'sink', 'console');
    await traffic.stop();
    traffic = null;
    expect(await nothingLost(at)).toBeGreaterThan(50);
  };

  it('the next one under load: set-up migrates, nothing is lost', async () => {
    await change(NEXT);
    expect(await migrations()).toBe(String(LAST + 1));
  });

  it('back again under load: the release before works on what the next one left', async () => {
    await change(TAG);
    expect(await migrations()).toBe(String(LAST + 1));
  });

  it('a ledger that asks for more is refused, with what to run; it goes on when that is mended', async () => {
    await at.sql(`UPDATE cdc.migration SET needs = ${LAST + 1} WHERE number = ${LAST + 1}`);
    await at.compose('restart', 'sink');
    await at.notReady('sink', 'CDC-503');
    expect(await at.logs('sink')).toMatch(/CDC-503.*Run the newer release/);
    const { code } = await at.try('up', '-d', '--no-build', '--wait');
    expect(code).not.toBe(0);
    expect(await at.logs('setup')).toMatch(/^error CDC-503 {2}the ledger is at migration/m);
    await at.sql(`UPDATE cdc.migration SET needs = ${LAST} WHERE number = ${LAST + 1}`);
    await at.untilReady('sink');
  });
});
