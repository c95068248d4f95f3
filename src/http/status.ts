import type { FastifyInstance } from 'fastify';
import type { StatusView } from '../core/status';

/** `/api/status`: all connectors, whoever runs them. */
export function addStatusRoute(app: FastifyInstance, read: () => Promise<StatusView>): void {
  app.get('/api/status', read);
}
