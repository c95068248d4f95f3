import { CdcError } from '../core/errors';
import { callRegistry, type RegistryAnswer, type RegistryOptions } from './registry-http';

/** What of the registry we use; a schema is its JSON text. All reject with registry_unreachable and registry_refused. */
export interface SchemaRegistry {
  /** Id of the schema under the subject, new or as before. Rejects with schema_incompatible. */
  register(subject: string, schema: string): Promise<number>;
  /** Null when the subject does not have this schema, or does not exist. Cached once found. */
  lookup(subject: string, schema: string): Promise<number | null>;
  /** Text of a schema. Rejects with schema_unknown. Cached, as an id never changes its meaning. */
  schemaById(id: number): Promise<string>;
  /** The subject's own compatibility level; null when it has none, or does not exist. */
  compatibility(subject: string): Promise<string | null>;
  /** Not every registry keeps the level of a subject that has no version yet, or says so. */
  setCompatibility(subject: string, level: string): Promise<void>;
  /** Null when the schema is compatible with what the subject's level demands, or the subject is new; else the reason. */
  incompatibility(subject: string, schema: string): Promise<string | null>;
}

const NOT_FOUND = 404;
const INCOMPATIBLE = 409;

export function createRegistry(options: RegistryOptions): SchemaRegistry {
  const schemas = new SingleFlight<number, string>();
  const ids = new SingleFlight<string, number | null>();
  const versions = (subject: string) => `/subjects/${encodeURIComponent(subject)}`;
  const config = (subject: string) => `/config/${encodeURIComponent(subject)}`;

  return {
    async register(subject, schema) {
      const answer = await callRegistry(options, 'POST', `${versions(subject)}/versions`, { schema });
      if (answer.status === INCOMPATIBLE)
        throw new CdcError('schema_incompatible', `subject ${subject}: ${messageOf(answer)}`);
      return idOf(accepted(answer, `registering subject ${subject}`));
    },
    lookup: (subject, schema) =>
      ids.get(`${subject} ${schema}`, async () => {
        const answer = await callRegistry(options, 'POST', versions(subject), { schema });
        return answer.status === NOT_FOUND ? null : idOf(accepted(answer, `looking up subject ${subject}`));
      }),
    schemaById: (id) =>
      schemas.get(id, async () => {
        const answer = await callRegistry(options, 'GET', `/schemas/ids/${id}`);
        if (answer.status === NOT_FOUND) throw new CdcError('schema_unknown', `no schema has the id ${id}`);
        return String(accepted(answer, `reading schema ${id}`).schema);
      }),
    async compatibility(subject) {
      const answer = await callRegistry(options, 'GET', config(subject));
      if (answer.status === NOT_FOUND) return null;
      const { compatibilityLevel } = accepted(answer, `reading the configuration of subject ${subject}`);
      return typeof compatibilityLevel === 'string' ? compatibilityLevel : null;
    },
    async setCompatibility(subject, compatibility) {
      accepted(
        await callRegistry(options, 'PUT', config(subject), { compatibility }),
        `configuring subject ${subject}`,
      );
    },
    async incompatibility(subject, schema) {
      const path = `/compatibility${versions(subject)}/versions?verbose=true`;
      const answer = await callRegistry(options, 'POST', path, { schema });
      if (answer.status === NOT_FOUND) return null;
      const body = accepted(answer, `checking subject ${subject}`);
      if (body.is_compatible !== false) return null;
      const { reason, messages } = body;
      return [reason, messages].flat().filter(Boolean).join('; ') || 'no reason given';
    },
  };
}

function accepted(answer: RegistryAnswer, what: string): Record<string, unknown> {
  if (answer.status < 300) return answer.body;
  throw new CdcError('registry_refused', `${what}: ${messageOf(answer)}`);
}

/** The registry's words, which are about schemas, never about rows. */
function messageOf({ status, body }: RegistryAnswer): string {
  return typeof body.message === 'string' ? `${body.message.slice(0, 1000)} (${status})` : `it answered ${status}`;
}

function idOf({ id }: Record<string, unknown>): number {
  if (typeof id === 'number') return id;
  throw new CdcError('registry_refused', 'the schema registry answered without an id: is the URL that of its API?');
}

/** Remembers what was found; asks once for what several want at the same time; forgets failures and null. */
class SingleFlight<K, V> {
  private readonly found = new Map<K, Promise<V>>();

  get(key: K, load: () => Promise<V>): Promise<V> {
    const known = this.found.get(key);
    if (known) return known;
    const loading = load();
    this.found.set(key, loading);
    const forget = () => this.found.delete(key);
    loading.then((value) => value === null && forget(), forget);
    return loading;
  }
}
