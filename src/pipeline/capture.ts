import { deferred } from '../core/deferred';
import { toCdcError } from '../core/errors';
import type { Lsn } from '../core/lsn';
import type { CaptureOptions, CapturePorts } from './capture-ports';
import { presentTrouble } from './present-trouble';
import type { Pump } from './pump';
import { Session } from './session';
import { standBy } from './stand-by';

/**
 * One life of capture: from taking the slot to losing it. Resolves after `signal` aborts and everything in hand is
 * acknowledged; rejects with the CdcError that ended it. The caller starts the next life.
 *
 * The slot comes first, because it admits one capture only: whoever has it may fence older writers. Then the writer, which
 * reads what the topics hold. Then bytes flow.
 */
export async function runCapture(o: CaptureOptions, ports: CapturePorts, signal: AbortSignal): Promise<void> {
  await standBy(ports, signal);
  const lookedMs = Date.now();
  const source = await ports.inspect();
  const stream = ports.openStream(source.confirmedLsn);
  const ended = deferred<void>();
  ended.promise.catch(() => {});
  let pump: Pump | null = null;
  const early: { payload: Buffer; lsn: Lsn }[] = [];
  await stream.start({
    onMessage: (payload, lsn) => {
      if (pump) pump.onMessage(payload, lsn);
      else early.push({ payload, lsn });
    },
    onKeepalive: (walEnd) => pump?.onKeepalive(walEnd),
    onEnd: (error) => ended.reject(error),
  });
  const session = new Session(o, ports, source, lookedMs, stream, (error) => ended.reject(error));
  try {
    stream.pause();
    const opened = await session.open();
    // From here on nothing is awaited: begin() reads the socket again, and what comes must find the pump, behind what came early.
    pump = opened.pump;
    for (const { payload, lsn } of early) pump.onMessage(payload, lsn);
    opened.begin();
    signal.addEventListener('abort', () => ended.resolve(), { once: true });
    if (signal.aborted) ended.resolve();
    await ended.promise;
    await session.drain();
  } catch (error) {
    throw await presentTrouble(toCdcError(error), async () => void (await session.look()));
  } finally {
    await session.close();
  }
}
