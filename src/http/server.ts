import type { AddressInfo } from 'node:net';
import fastify, { type FastifyInstance } from 'fastify';
import { CdcError } from '../core/errors';
import type { Readiness } from '../core/readiness';
import type { StatusView } from '../core/status';
import { type AccessRules, guard } from './access';
import { bodyOf, statusOf } from './errors';
import { addSnapshotRoutes, type SnapshotCalls } from './snapshots';
import { addStatusRoute } from './status';

export interface HttpOptions extends AccessRules {
  readonly readiness: () => Readiness;
  /** Prometheus' text. */
  readonly metrics: () => Promise<{ contentType: string; body: string }>;
  /** Null: no connector file captures. */
  readonly snapshots: SnapshotCalls | null;
  readonly status: () => Promise<StatusView>;
}

const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

/** The application, not listening yet. Errors have Kafka Connect's form, `{error_code, message}`. */
export function createApp(options: HttpOptions): FastifyInstance {
  const app = fastify({ bodyLimit: 64 * 1024, requestTimeout: 10_000, forceCloseConnections: true });
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers(HEADERS);
  });
  app.addHook('onRequest', guard(options));
  app.setNotFoundHandler((request, reply) =>
    reply.code(404).send({ error_code: 404, message: `There is no ${request.method} ${request.url}` }),
  );
  app.setErrorHandler<Error & { statusCode?: number }>((error, _request, reply) => {
    if (error instanceof CdcError) {
      const status = statusOf(error);
      return reply.code(status).send(bodyOf(error, status));
    }
    const status = error.statusCode ?? 500;
    const message = status < 500 ? error.message : 'An unexpected error';
    return reply.code(status).send({ error_code: status, message });
  });

  app.get('/health', async () => ({ status: 'up' }));
  app.get('/ready', async (_request, reply) => {
    const readiness = options.readiness();
    return reply.code(readiness.ready ? 200 : 503).send(readiness);
  });
  app.get('/metrics', async (_request, reply) => {
    const { contentType, body } = await options.metrics();
    return reply.header('content-type', contentType).send(body);
  });
  addStatusRoute(app, options.status);
  if (options.snapshots) addSnapshotRoutes(app, options.snapshots, options);
  return app;
}

/** Where the application answers, such as `http://127.0.0.1:8083`. Throws `port_taken` or `settings_invalid`. */
export async function listen(app: FastifyInstance, host: string, port: number): Promise<string> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    throw listenError(error, host, port);
  }
  const address = app.server.address() as AddressInfo;
  return `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`;
}

function listenError(error: unknown, host: string, port: number): unknown {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return new CdcError('port_taken', `port ${port} on ${host} is in use by another process`);
    case 'EACCES':
      return new CdcError('port_taken', `port ${port} on ${host} may not be opened by this user`);
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new CdcError('settings_invalid', `HTTP_HOST ${host} is no address of this machine`, {
        fix: 'Set HTTP_HOST to 127.0.0.1, 0.0.0.0 or an address of this machine.',
      });
    default:
      return error;
  }
}
