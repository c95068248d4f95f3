import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { LoadView } from '../core/load-view';
import type { Desired } from '../core/loads';
import { type AccessRules, readsOnly } from './access';

/** What the routes ask for; rejections are CdcErrors. */
export interface SnapshotCalls {
  list(): Promise<LoadView[]>;
  request(table: string, where: string | null, by: string): Promise<LoadView>;
  steer(id: string, desired: Desired, by: string): Promise<LoadView>;
}

const REQUEST = {
  type: 'object',
  required: ['table'],
  additionalProperties: false,
  properties: {
    table: { type: 'string', maxLength: 200, description: 'schema.table' },
    where: { type: ['string', 'null'], maxLength: 10_000, description: 'A condition in SQL; without it all rows.' },
  },
} as const;

const ID = {
  type: 'object',
  properties: { id: { type: 'string', pattern: '^[A-Za-z0-9._-]{1,200}$' } },
} as const;

type OfId = { Params: { id: string } };
type Asked = { Body: { table: string; where?: string | null } };

/** `/api/snapshots`: loads of tables, whoever captures. */
export function addSnapshotRoutes(app: FastifyInstance, calls: SnapshotCalls, rules: AccessRules): void {
  const by = (request: FastifyRequest) => `rest ${request.ip}`;
  app.get('/api/snapshots', async (request) => {
    const loads = await calls.list();
    // A condition may name a person.
    return readsOnly(rules, request) ? loads.map((load) => ({ ...load, where: load.where && '(hidden)' })) : loads;
  });
  app.post<Asked>('/api/snapshots', { schema: { body: REQUEST } }, async (request, reply) => {
    const { table, where = null } = request.body;
    return reply.code(201).send(await calls.request(table, where, by(request)));
  });
  app.post<OfId>('/api/snapshots/:id/pause', { schema: { params: ID } }, (request) =>
    calls.steer(request.params.id, 'pause', by(request)),
  );
  app.post<OfId>('/api/snapshots/:id/resume', { schema: { params: ID } }, (request) =>
    calls.steer(request.params.id, 'run', by(request)),
  );
  app.delete<OfId>('/api/snapshots/:id', { schema: { params: ID } }, (request) =>
    calls.steer(request.params.id, 'cancel', by(request)),
  );
}
