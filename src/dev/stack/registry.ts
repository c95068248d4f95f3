import { join } from 'node:path';
import { REGISTRY_JAR } from './download';
import { launch, untilReady } from './process';

export interface RegistryOptions {
  /** Holds the schemas, the log and the pid file; made when missing. */
  readonly dir: string;
  readonly port: number;
  /** Folder of the runner jar. */
  readonly home: string;
}

export interface Registry {
  /** Of Confluent's API. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Starts the schema registry on 127.0.0.1 and returns when it answers. Schemas and their ids survive `kill -9`. */
export async function startRegistry(options: RegistryOptions): Promise<Registry> {
  const spec = {
    name: 'registry',
    command: 'java',
    args: [
      '-Xmx192m',
      '-XX:+UseSerialGC',
      '-XX:TieredStopAtLevel=1',
      `-Dquarkus.http.port=${options.port}`,
      '-Dquarkus.http.host=127.0.0.1',
      `-Dquarkus.datasource.jdbc.url=jdbc:h2:file:${join(options.dir, 'registry')};WRITE_DELAY=0`,
      '-jar',
      join(options.home, REGISTRY_JAR),
    ],
    dir: options.dir,
    stopSignal: 'SIGTERM',
    killSignal: 'SIGKILL',
  } as const;
  const server = await launch(spec);
  const url = `http://127.0.0.1:${options.port}/apis/ccompat/v7`;
  await untilReady(server, spec, async () => (await fetch(`${url}/subjects`)).ok);
  return { url, port: options.port, pid: server.pid, stop: server.stop };
}
