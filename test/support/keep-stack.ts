import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { KEPT_FILE, keptStack, startTestServers } from './servers';

/** `npm run test:stack [stop]`: test servers that outlive a run, so that the next one begins at once. */
async function main(command: string | undefined): Promise<void> {
  if (command === 'hold') return hold();
  const kept = await keptStack();
  if (command === 'stop') {
    if (kept !== undefined) process.kill(kept.keeperPid, 'SIGTERM');
    while ((await keptStack()) !== undefined) await sleep(50);
    return;
  }
  process.stdout.write(`${JSON.stringify(kept ?? (await startHolder()), null, 2)}\n`);
}

/** The servers end with their parent, so it must be one that stays. */
async function startHolder() {
  mkdirSync(dirname(KEPT_FILE), { recursive: true });
  const log = openSync(join(dirname(KEPT_FILE), 'test-stack.log'), 'w');
  const holder = spawn(process.execPath, [join(__dirname, 'run-ts.js'), __filename, 'hold'], {
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  let ended = false;
  holder.once('exit', () => {
    ended = true;
  });
  for (;;) {
    const kept = await keptStack();
    if (kept?.keeperPid === holder.pid) {
      holder.unref();
      return kept;
    }
    if (ended) throw new Error('the test servers did not start: see .dev/test-stack.log');
    await sleep(100);
  }
}

async function hold(): Promise<void> {
  const { stop, ...stack } = await startTestServers();
  writeFileSync(KEPT_FILE, JSON.stringify({ ...stack, keeperPid: process.pid }, null, 2));
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.once(signal, async () => {
      rmSync(KEPT_FILE, { force: true });
      await stop();
    });
  }
}

main(process.argv[2]).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
