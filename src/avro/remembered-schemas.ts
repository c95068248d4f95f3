import { readState, type SchemaState, stateKeys } from '../core/capture-state';
import { deferred } from '../core/deferred';
import { CdcError } from '../core/errors';
import type { Logger } from '../core/ports/log';
import type { SchemaRegistry } from './registry';

/** What of the registry capture asks. */
type Registry = Pick<SchemaRegistry, 'lookup' | 'schemaById'>;

/**
 * The registry, with what was once learnt of it: an id never changes its meaning, so capture can start, read its tails and write
 * while the registry is away, as long as its contract is the one it wrote with before. A registry that answers is believed.
 */
export class RememberedSchemas implements Registry {
  private readonly known = new Map<number, SchemaState>();
  private readonly learnt = deferred();

  constructor(
    private readonly registry: Registry,
    private readonly connector: string,
    private readonly log: Logger,
  ) {}

  /** `state`: the state topic, where earlier lives left what they knew. */
  learn(state: ReadonlyMap<string, string>): void {
    const prefix = stateKeys.schema(this.connector, '');
    for (const key of state.keys())
      if (key.startsWith(prefix)) this.known.set(Number(key.slice(prefix.length)), readState<SchemaState>(state, key)!);
    this.learnt.resolve();
  }

  /** All that is known, by id: what is to be left for later lives. */
  get schemas(): ReadonlyMap<number, SchemaState> {
    return this.known;
  }

  async schemaById(id: number): Promise<string> {
    return this.known.get(id)?.schema ?? this.registry.schemaById(id);
  }

  async lookup(subject: string, schema: string): Promise<number | null> {
    try {
      const id = await this.registry.lookup(subject, schema);
      if (id !== null) this.known.set(id, { subject, schema });
      return id;
    } catch (error) {
      if (!(error instanceof CdcError) || error.kind !== 'registry_unreachable') throw error;
      await this.learnt.promise; // the state topic is read at the same time
      const id = this.idOf(subject, schema);
      if (id === null) throw error;
      this.log.warn(
        { code: error.code, fix: error.fix },
        `${error.message}: subject ${subject} is known as schema ${id}`,
      );
      return id;
    }
  }

  private idOf(subject: string, schema: string): number | null {
    for (const [id, known] of this.known) if (known.subject === subject && known.schema === schema) return id;
    return null;
  }
}
