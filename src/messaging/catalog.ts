import { CdcError } from '../core/errors';
import type { Sql } from '../core/ports/sql';

/**
 * What Messaging's tables look like here. Ids differ between installations and columns between versions, so the sinks ask
 * the catalog once at start instead of assuming: ids are text in topics and values, and are cast to these types on write.
 */
export interface MessagingCatalog {
  /** Quoted and qualified, for pasting into SQL. */
  readonly tables: Readonly<Record<Table, string>>;
  readonly types: { readonly account: IdType; readonly contact: IdType; readonly tenant: IdType };
  /** What makes an id where none is given: `nextval('messaging.contacts_id_seq'::regclass)`. */
  readonly newId: { readonly account: string; readonly contact: string };
  /** Columns that older versions lack; what is absent is neither read nor written. */
  readonly has: Readonly<Record<OptionalColumn, boolean>>;
  /**
   * E-mails are found in any case by an index, as upstream Chatwoot has one. Without it each batch reads the contacts of its
   * accounts: right, but slow where there are many.
   */
  readonly emailIndex: boolean;
  readonly warnings: readonly CatalogWarning[];
}

export const ID_TYPES = ['uuid', 'bigint', 'integer'] as const;
export type IdType = (typeof ID_TYPES)[number];

export const TABLES = ['accounts', 'labels', 'contacts', 'contact_inboxes'] as const;
export type Table = (typeof TABLES)[number];

export const OPTIONAL_COLUMNS = [
  'accounts.status',
  'labels.system',
  'contacts.contact_type',
  'contacts.last_activity_at',
] as const;
export type OptionalColumn = (typeof OPTIONAL_COLUMNS)[number];

/** Something that works, but that somebody should know. Told once at start and by doctor. */
export interface CatalogWarning {
  readonly kind: 'column_absent' | 'index_absent' | 'sequence_trigger';
  readonly what: string;
  readonly fix: string;
}

const TEXT = ['text', 'character varying', 'citext'];
const TIME = ['timestamp without time zone', 'timestamp with time zone'];
const INTEGER = ['smallint', 'integer', 'bigint'];

/** Every column the sinks touch, and the types they can work with. */
const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  'accounts.id': ID_TYPES,
  'accounts.ventia_tenant_id': ID_TYPES,
  'accounts.name': TEXT,
  'accounts.status': INTEGER,
  'accounts.created_at': TIME,
  'accounts.updated_at': TIME,
  'labels.account_id': ID_TYPES,
  'labels.title': TEXT,
  'labels.color': TEXT,
  'labels.system': ['boolean'],
  'labels.created_at': TIME,
  'labels.updated_at': TIME,
  'contacts.id': ID_TYPES,
  'contacts.account_id': ID_TYPES,
  'contacts.name': TEXT,
  'contacts.email': TEXT,
  'contacts.phone_number': TEXT,
  'contacts.contact_type': INTEGER,
  'contacts.custom_attributes': ['jsonb'],
  'contacts.last_activity_at': TIME,
  'contacts.created_at': TIME,
  'contacts.updated_at': TIME,
  'contact_inboxes.contact_id': ID_TYPES,
};
const OPTIONAL: ReadonlySet<string> = new Set(OPTIONAL_COLUMNS);
/** The defaults of these make the ids. */
const GENERATED_IDS: ReadonlySet<string> = new Set(['accounts.id', 'contacts.id']);
const WRITTEN_TABLES: ReadonlySet<string> = new Set(['accounts', 'labels', 'contacts']);

/**
 * Reads the schema (`messaging`, `public`, …) from the catalog. Rejects with messaging_schema, naming every problem at once,
 * when the sinks could not work with it.
 */
export async function readCatalog(sql: Sql, schema: string): Promise<MessagingCatalog> {
  const columns = await sql.query<ColumnRow>(COLUMNS_SQL, [schema, TABLES]);
  const indexes = await sql.query<IndexRow>(UNIQUE_INDEXES_SQL, [schema, TABLES]);
  const lookups = await sql.query<LookupRow>(LOOKUP_INDEXES_SQL, [schema, TABLES]);
  const triggers = await sql.query<TriggerRow>(SEQUENCE_TRIGGERS_SQL, [schema]);

  const problems = [...columnProblems(columns), ...indexProblems(columns, indexes)];
  if (problems.length > 0) {
    throw new CdcError('messaging_schema', `schema "${schema}" of the messaging database: ${problems.join('; ')}`);
  }
  const columnOf = (name: string) => columns.find((column) => nameOf(column) === name)!;
  const typeOf = (name: string) => columnOf(name).type as IdType;
  const present = new Set(columns.map(nameOf));
  const has = Object.fromEntries(OPTIONAL_COLUMNS.map((name) => [name, present.has(name)]));
  const tables = Object.fromEntries(columns.map((column) => [column.table, column.qualified])) as Record<Table, string>;
  return {
    tables,
    types: {
      account: typeOf('accounts.id'),
      contact: typeOf('contacts.id'),
      tenant: typeOf('accounts.ventia_tenant_id'),
    },
    newId: { account: columnOf('accounts.id').default!, contact: columnOf('contacts.id').default! },
    has: has as Record<OptionalColumn, boolean>,
    emailIndex: LOOKUPS.email.isThere(lookups),
    warnings: [
      ...absentColumns(present),
      ...absentIndexes(indexes, tables),
      ...absentLookups(lookups, tables),
      ...triggers.map(sequenceTrigger),
    ],
  };
}

/** One row a column of the four tables. */
interface ColumnRow {
  readonly table: Table;
  /** `"messaging"."accounts"`, quoted where it must be. */
  readonly qualified: string;
  readonly column: string;
  readonly type: string;
  /** NOT NULL, and neither default, identity nor generated. */
  readonly must_be_given: boolean;
  /** As an expression; null when there is none. */
  readonly default: string | null;
}

const COLUMNS_SQL = `
  SELECT c.relname AS table, format('%I.%I', n.nspname, c.relname) AS qualified, a.attname AS column,
         format_type(a.atttypid, NULL) AS type,
         CASE WHEN a.attidentity <> '' THEN format('nextval(%L)', pg_get_serial_sequence(a.attrelid::regclass::text, a.attname))
           ELSE pg_get_expr(d.adbin, d.adrelid) END AS default,
         a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AS must_be_given
  FROM pg_catalog.pg_namespace n
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p')
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE n.nspname = $1 AND c.relname = ANY ($2)`;

const nameOf = (row: ColumnRow): string => `${row.table}.${row.column}`;

function columnProblems(columns: readonly ColumnRow[]): string[] {
  const byName = new Map(columns.map((column) => [nameOf(column), column]));
  const absent = TABLES.filter((table) => !columns.some((column) => column.table === table));
  const problems = absent.map((table) => `table ${table} is missing`);
  for (const [name, types] of Object.entries(EXPECTED)) {
    const column = byName.get(name);
    if (column === undefined) {
      const known = OPTIONAL.has(name) || absent.some((table) => name.startsWith(`${table}.`));
      if (!known) problems.push(`column ${name} is missing`);
    } else if (!types.includes(column.type)) {
      problems.push(`column ${name} is of type ${column.type}, which is none of ${types.join(', ')}`);
    } else if (GENERATED_IDS.has(name) && column.default === null) {
      problems.push(`column ${name} has no default`);
    }
  }
  // A column of tomorrow's migration that we do not know would turn every insert into an error.
  for (const column of columns) {
    const name = nameOf(column);
    if (column.must_be_given && !(name in EXPECTED) && WRITTEN_TABLES.has(column.table) && column.column !== 'id') {
      problems.push(`column ${name} is NOT NULL without a default, and no rule fills it`);
    }
  }
  return problems;
}

/** One row a unique index: complete, or with Rails' predicate "neither NULL nor empty". */
interface IndexRow {
  readonly table: Table;
  /** In the order of their names. */
  readonly columns: readonly string[];
  readonly partial: boolean;
}

const UNIQUE_INDEXES_SQL = `
  SELECT c.relname AS table, i.indpred IS NOT NULL AS partial,
         array_agg(a.attname::text ORDER BY a.attname) AS columns
  FROM pg_catalog.pg_namespace n
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid
  JOIN pg_catalog.pg_index i ON i.indrelid = c.oid
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
  WHERE n.nspname = $1 AND c.relname = ANY ($2)
    AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indexprs IS NULL
  GROUP BY c.relname, i.indexrelid, i.indpred`;

const covers = (indexes: readonly IndexRow[], table: Table, columns: string, partial: boolean): boolean =>
  indexes.some((index) => index.table === table && index.columns.join(', ') === columns && (partial || !index.partial));

/** What ON CONFLICT infers must be there. */
function indexProblems(columns: readonly ColumnRow[], indexes: readonly IndexRow[]): string[] {
  const needed: readonly (readonly [Table, string])[] = [
    ['accounts', 'ventia_tenant_id'],
    ['labels', 'account_id, title'],
  ];
  return needed
    .filter(
      ([table, names]) => columns.some((column) => column.table === table) && !covers(indexes, table, names, false),
    )
    .map(([table, names]) => `table ${table} has no unique index on (${names})`);
}

function absentIndexes(indexes: readonly IndexRow[], tables: MessagingCatalog['tables']): CatalogWarning[] {
  return ['email', 'phone_number']
    .filter((name) => !covers(indexes, 'contacts', `account_id, ${name}`, true))
    .map((name) => ({
      kind: 'index_absent',
      what: `contacts has no unique index on (account_id, ${name}): the application and the sink may insert the same person at once`,
      fix: `CREATE UNIQUE INDEX CONCURRENTLY index_contacts_on_${name}_and_account_id ON ${tables.contacts} (${name}, account_id) WHERE ${name} IS NOT NULL AND ${name} <> '';`,
    }));
}

/** One row an index by which rows can be looked up. */
interface LookupRow {
  readonly table: Table;
  /** The first column or expression, as PostgreSQL writes it. */
  readonly first: string;
  readonly predicate: string | null;
}

const LOOKUP_INDEXES_SQL = `
  SELECT c.relname AS table, pg_get_indexdef(i.indexrelid, 1, true) AS first,
         pg_get_expr(i.indpred, i.indrelid, true) AS predicate
  FROM pg_catalog.pg_namespace n
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid
  JOIN pg_catalog.pg_index i ON i.indrelid = c.oid
  WHERE n.nspname = $1 AND c.relname = ANY ($2) AND i.indisvalid`;

interface Lookup {
  isThere(indexes: readonly LookupRow[]): boolean;
  readonly what: string;
  fix(tables: MessagingCatalog['tables']): string;
}

/** Of Rails' partial unique indexes: what the sinks ask implies it. */
const NOT_BLANK = /^\(*phone_number IS NOT NULL\)? AND \(?phone_number(::text)? <> ''::text\)*$/;

/** Look-ups that every batch makes. */
const LOOKUPS: Readonly<Record<'email' | 'phone' | 'conversations', Lookup>> = {
  email: {
    isThere: (indexes) =>
      indexes.some(
        ({ table, first, predicate }) =>
          table === 'contacts' && predicate === null && /^lower\(\(?email(::text)?\)*$/.test(first),
      ),
    what: 'contacts has no index on lower(email): each batch reads all contacts of its accounts',
    fix: ({ contacts }) =>
      `CREATE INDEX CONCURRENTLY index_contacts_on_lower_email_account_id ON ${contacts} (lower(email), account_id); then restart the sinks.`,
  },
  phone: {
    isThere: (indexes) =>
      indexes.some(
        ({ table, first, predicate }) =>
          table === 'contacts' && first === 'phone_number' && (predicate === null || NOT_BLANK.test(predicate)),
      ),
    what: 'contacts has no index that begins with phone_number: each batch reads all contacts',
    fix: ({ contacts }) => `CREATE INDEX CONCURRENTLY index_contacts_on_phone_number ON ${contacts} (phone_number);`,
  },
  conversations: {
    isThere: (indexes) =>
      indexes.some(
        ({ table, first, predicate }) => table === 'contact_inboxes' && first === 'contact_id' && predicate === null,
      ),
    what: 'contact_inboxes has no index on contact_id: each batch reads the whole table',
    fix: (tables) =>
      `CREATE INDEX CONCURRENTLY index_contact_inboxes_on_contact_id ON ${tables.contact_inboxes} (contact_id);`,
  },
};

function absentLookups(indexes: readonly LookupRow[], tables: MessagingCatalog['tables']): CatalogWarning[] {
  return Object.values(LOOKUPS)
    .filter((lookup) => !lookup.isThere(indexes))
    .map(({ what, fix }) => ({ kind: 'index_absent', what, fix: fix(tables) }));
}

function absentColumns(present: ReadonlySet<string>): CatalogWarning[] {
  return OPTIONAL_COLUMNS.filter((name) => !present.has(name)).map((name) => ({
    kind: 'column_absent',
    what: `column ${name} does not exist: its rule is left out`,
    fix: "Nothing, or run messaging's migrations and restart the sinks.",
  }));
}

interface TriggerRow {
  readonly trigger: string;
  readonly function: string;
}

/** tgtype: 2 BEFORE, 4 INSERT, 64 INSTEAD OF. */
const SEQUENCE_TRIGGERS_SQL = `
  SELECT t.tgname AS trigger, p.oid::regprocedure::text AS function
  FROM pg_catalog.pg_namespace n
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = 'accounts'
  JOIN pg_catalog.pg_trigger t ON t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D'
  JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
  WHERE n.nspname = $1 AND t.tgtype & 4 = 4 AND t.tgtype & 66 = 0 AND p.prosrc ~* 'create\\s+sequence'`;

/**
 * Chatwoot makes a sequence for each account, by a name without schema and with the rights of whoever inserts: a sink role
 * that may not create fails, and with another search_path the sequence lands where the conversations do not find it.
 */
const sequenceTrigger = (row: TriggerRow): CatalogWarning => ({
  kind: 'sequence_trigger',
  what: `trigger ${row.trigger} on accounts creates a sequence with the rights and the search_path of the sink's role`,
  fix: `ALTER FUNCTION ${row.function} SECURITY DEFINER, with a fixed search_path; or grant the sink's role CREATE and set its search_path to messaging's schema.`,
});
