import { CdcError } from '../core/errors';
import type { CompileOptions, EncoderFactory, RowEncoder } from '../core/ports/encoding';
import type { Column, Relation } from '../core/tuple';
import { type Contract, type ContractField, KEY_COLUMN } from './contract';
import { AvroRowEncoder, type CompiledField } from './encoder';
import { SourceBlock, type SourceNames } from './source-block';
import { OID, type Reading, readingFor } from './type-table';

/** Ids of a topic's key and value schema in the registry. */
export interface SchemaIds {
  readonly key: number;
  readonly value: number;
}

export interface EncoderFactoryOptions {
  readonly contracts: readonly Contract[];
  /** By topic. */
  readonly schemaIds: ReadonlyMap<string, SchemaIds>;
  readonly source: SourceNames;
}

export function createEncoderFactory({ contracts, schemaIds, source }: EncoderFactoryOptions): EncoderFactory {
  const byTable = new Map(contracts.map((contract) => [`${contract.schema}.${contract.table}`, contract]));
  const find = (relation: Relation) => byTable.get(`${relation.schema}.${relation.table}`);
  return {
    tables: [...byTable.keys()],
    columns: (table) => byTable.get(table)?.fields.map((field) => field.name) ?? [],
    tenantColumn: (table) => byTable.get(table)?.tenantColumn ?? KEY_COLUMN,
    compile(relation, options): RowEncoder | null {
      const contract = find(relation);
      if (!contract) return null;
      const ids = schemaIds.get(contract.topic);
      if (!ids) throw new CdcError('setup_needed', `topic ${contract.topic}: its schemas are not registered`);
      const fields = contract.fields.map((field) => compileField(relation, field, options));
      const tenant = contract.fields.find((field) => field.name === contract.tenantColumn)!;
      return new AvroRowEncoder({
        topic: contract.topic,
        relation,
        lacksIdentity: missingIdentity(relation, contract),
        fields,
        tenant: contract.fields.indexOf(tenant),
        uuidKey: contract.fields[0]!.type.kind === 'uuid',
        uuidTenant: tenant.type.kind === 'uuid',
        keySchemaId: ids.key,
        valueSchemaId: ids.value,
        source: new SourceBlock(source, relation.schema, relation.table),
      });
    },
  };
}

/**
 * True when every contract column of the relation is understood in PostgreSQL's binary form, so that the stream may be asked
 * for it. False: ask for text; both give the same records.
 */
export function readsBinary({ fields }: Contract, relation: Relation): boolean {
  return fields.every((field) => {
    const column = relation.columns.find(({ name }) => name === field.name);
    return !column || readingFor(column, field.type)?.binary != null;
  });
}

/** A delete must say which row, and whose. */
function missingIdentity(relation: Relation, contract: Contract): CdcError | null {
  if (relation.replicaIdentity === 'f') return null;
  const carried = relation.replicaIdentity === 'n' ? [] : relation.columns.filter(({ identity }) => identity);
  const missing = [KEY_COLUMN, contract.tenantColumn].find((name) => !carried.some((column) => column.name === name));
  if (missing === undefined) return null;
  return new CdcError(
    'replica_identity',
    `table ${relation.schema}.${relation.table}: deletes do not carry ${missing} (replica identity ${IDENTITY[relation.replicaIdentity]})`,
  );
}

const IDENTITY = { d: 'DEFAULT', n: 'NOTHING', f: 'FULL', i: 'USING INDEX' } as const;

function compileField(relation: Relation, field: ContractField, options: CompileOptions): CompiledField {
  const where = `column ${field.name} of ${relation.schema}.${relation.table}`;
  const index = relation.columns.findIndex((column) => column.name === field.name);
  const column = relation.columns[index];
  if (!column) {
    if (field.optional && options.absentColumns.includes(field.name))
      return { name: field.name, column: -1, reading: NOTHING };
    throw new CdcError('contract_column_missing', `${where} does not exist`);
  }
  const reading = readingFor(column, field.type);
  if (!reading)
    throw new CdcError('contract_type', `${where}: ${describeType(column)} does not fit ${field.type.kind}`);
  return { name: field.name, column: index, reading };
}

/** Of a column that is not there: never asked. */
const NOTHING: Reading = { text: (_, at) => at, binary: null, room: 1 };

function describeType({ typeOid, typeModifier }: Column): string {
  const name = Object.entries(OID).find(([, oid]) => oid === typeOid)?.[0] ?? `type ${typeOid}`;
  return typeModifier < 0 ? name : `${name} with modifier ${typeModifier}`;
}
