import { availableParallelism, loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../support/wait';
import { describeWithEngine, tell } from './engine';
import { buildImage, docker, IMAGE, Installation, SERVERS, SERVICE, TAG } from './project';
import { firstEvent, nothingLost, orderArrives, Traffic } from './traffic';

jest.setTimeout(600_000);

const secondsSince = (started: number) => (performance.now() - started) / 1000;

/** One story, told in its order. */
describeWithEngine('docker compose up', () => {
  let at: Installation;
  let traffic: Traffic | null = null;
  beforeAll(async () => {
    await buildImage();
    at = await Installation.create();
  });
  afterAll(async () => {
    await traffic?.stop();
    await at?.remove();
  });

  /** Of profile `monitoring`: every container is asked, and the rules are loaded. */
  const seenByPrometheus = async (services: readonly string[]) => {
    await at.compose('--profile', 'monitoring', 'up', '-d', '--no-build', '--no-deps', '--wait', 'prometheus');
    const ask = async (path: string) => {
      const answer = await fetch(`http://127.0.0.1:${at.port('PROMETHEUS')}/api/v1/${path}`);
      return (await answer.json()) as { data: { result: { metric: { service: string } }[]; groups: unknown[] } };
    };
    await eventually(
      async () => {
        const { result } = (await ask(`query?query=${encodeURIComponent('up{job="ventia-cdc"} == 1')}`)).data;
        expect(result.map(({ metric }) => metric.service).sort()).toEqual(services);
        return true;
      },
      { timeoutMs: 90_000, intervalMs: 1_000 },
    );
    expect((await ask('rules')).data.groups.length).toBeGreaterThan(0);
    await at.compose('--profile', 'monitoring', 'rm', '--stop', '--force', 'prometheus');
  };

  it('is all there is to do: a contact is there within a minute', async () => {
    const started = performance.now();
    const upping = at.up();
    const [event] = await Promise.all([firstEvent(at).then(() => secondsSince(started)), upping]);
    tell('seconds', { 'until the first contact': event, 'until all were healthy': secondsSince(started) });
    tell('image, MB', { [TAG]: Number(await docker('image', 'inspect', '-f', '{{.Size}}', `${IMAGE}:${TAG}`)) / 1e6 });
    // Promised of a machine that has nothing else to do.
    expect(event).toBeLessThan(loadavg()[0]! > 3 * availableParallelism() ? 240 : 60);
  });

  it.each([...SERVERS, ...SERVICE])(
    '%s is not root, has no capability, gets none, and cannot write to its image',
    async (name) => {
      const look =
        'id -u; grep -E "CapEff|CapBnd|NoNewPrivs" /proc/self/status; touch /etc/new 2>/dev/null || echo read-only';
      const [user, ...said] = (await at.compose('exec', '-T', name, 'bash', '-c', look)).trim().split('\n');
      expect(user).not.toBe('0');
      expect(said).toEqual(['CapEff:\t0000000000000000', 'CapBnd:\t0000000000000000', 'NoNewPrivs:\t1', 'read-only']);
    },
  );

  it('a second time there is nothing to do, and set-up changes nothing', async () => {
    const before = await docker('inspect', '-f', '{{.State.StartedAt}}', ...(await at.containers('capture')));
    await at.up();
    expect(await docker('inspect', '-f', '{{.State.StartedAt}}', ...(await at.containers('capture')))).toBe(before);
    expect((await at.logs('setup')).match(/^done {2}Source database: publication/gm)).toHaveLength(1);
  });

  it.each([...SERVICE, ...SERVERS])(
    '%s crashes under load: it comes back by itself, and nothing is lost',
    async (name) => {
      traffic = new Traffic(at, 200);
      await sleep(2_000);
      const [container] = await at.containers(name);
      await at.crash(container!);
      const seconds = await orderArrives(at);
      await at.untilReady('capture', 'sink', 'console');
      await traffic.stop();
      traffic = null;
      const orders = await nothingLost(at);
      tell(`${name} crashed`, { 'seconds until a new order had come through': seconds, orders });
    },
  );

  it('all of the service is restarted at once, then all servers, under load', async () => {
    traffic = new Traffic(at, 200);
    await at.compose('restart', ...SERVICE);
    await at.untilReady('capture', 'sink');
    await at.compose('restart', ...SERVERS);
    await at.untilReady('capture', 'sink');
    await traffic.stop();
    traffic = null;
    await nothingLost(at);
  });

  it('three sinks share the partitions, and one again takes them all', async () => {
    const partitions = async () => {
      const tool = ['/opt/kafka/bin/kafka-consumer-groups.sh', '--bootstrap-server', '127.0.0.1:9095'];
      const said = await at.compose('exec', '-T', 'kafka', ...tool, '--describe', '--group', 'ventia-cdc-contacts');
      const rows = said.split('\n').filter((line) => line.startsWith('ventia-cdc-contacts'));
      return new Set(rows.map((line) => line.split(/\s+/)[6]));
    };
    traffic = new Traffic(at, 200);
    await at.up('--scale', 'sink=3');
    for (const index of [1, 2, 3]) expect(await at.ready('sink', index)).toMatchObject({ ready: true });
    expect((await partitions()).size).toBe(3);
    await seenByPrometheus(['capture', 'console', 'sink', 'sink', 'sink']);
    await at.up('--scale', 'sink=1');
    await traffic.stop();
    traffic = null;
    await nothingLost(at);
    expect((await partitions()).size).toBe(1);
  });

  it('memory: each stays within its limit at 2,000 changes a second', async () => {
    await sleep(5_000);
    const idle = await at.memory();
    const before = Number((await at.sql('SELECT count(*) FROM ventia.orders'))[0]![0]);
    const started = performance.now();
    traffic = new Traffic(at, 2_000);
    const busy = new Map<string, number>();
    for (let sample = 0; sample < 12; sample++) {
      for (const [service, used] of await at.memory()) busy.set(service, Math.max(busy.get(service) ?? 0, used));
      await sleep(500);
    }
    const seconds = secondsSince(started);
    await traffic.stop();
    traffic = null;
    const orders = (await nothingLost(at)) - before;
    tell('MB at idle', Object.fromEntries(idle));
    tell(`MB at most at ${Math.round((2 * orders) / seconds)} changes/s`, Object.fromEntries(busy));
    const killed = await docker('inspect', '-f', '{{.State.OOMKilled}}', ...(await at.containers()));
    expect(killed).not.toContain('true');
  });

  it('profile external: the service alone, beside servers that are none of its business', async () => {
    await at.compose('rm', '--stop', '--force', 'setup', ...SERVICE);
    const external = ['--profile', 'external'];
    expect((await at.compose(...external, 'config', '--services')).trim().split('\n').sort()).toEqual(
      ['setup', ...SERVICE].sort(),
    );
    await at.compose(...external, 'up', '-d', '--no-build', '--wait');
    await orderArrives(at);
  });

  it('comes down in good order', async () => {
    const started = performance.now();
    await at.compose('stop', ...SERVICE);
    expect(secondsSince(started)).toBeLessThan(15);
    const containers = await Promise.all(SERVICE.map((service) => at.containers(service)));
    const codes = await docker('inspect', '-f', '{{.State.ExitCode}}', ...containers.flat());
    expect(new Set(codes.trim().split('\n'))).toEqual(new Set(['0']));
  });
});
