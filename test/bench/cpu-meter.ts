import { processUsage } from '../support/process-usage';

/** CPU seconds that processes have spent since each was first seen, by name. One that has ended keeps its last figure. */
export class CpuMeter {
  private readonly processes = new Map<string, { readonly pid: number; readonly from: number; seconds: number }>();

  /** `fresh`: all that it has spent counts, not only what comes. */
  watch(name: string, pid: number, fresh = false): void {
    const now = cpuSeconds(pid) ?? 0;
    this.processes.set(name, { pid, from: fresh ? 0 : now, seconds: fresh ? now : 0 });
  }

  sample(): void {
    for (const process of this.processes.values()) {
      const now = cpuSeconds(process.pid);
      if (now !== null) process.seconds = now - process.from;
    }
  }

  get spent(): ReadonlyMap<string, number> {
    return new Map([...this.processes].map(([name, { seconds }]) => [name, seconds]));
  }
}

function cpuSeconds(pid: number): number | null {
  try {
    return processUsage(pid).cpuSeconds;
  } catch {
    return null; // it has ended
  }
}
