import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Type } from 'avsc';
import { CdcError } from '../core/errors';
import { type Contract, type ContractFile, parseContract } from './contract';
import { schemasOf } from './envelope';

export interface ContractTable {
  readonly schema: string;
  readonly table: string;
  readonly topic: string;
}

/**
 * Reads the contracts of these tables from a folder of `.avsc` files, one file a table (files of other tables are left
 * alone). Throws CdcError `contract_invalid`.
 */
export async function readContracts(directory: string, tables: readonly ContractTable[]): Promise<Contract[]> {
  const files = await readFolder(directory);
  return tables.map((source) => {
    const [found, second] = files.filter((file) => file.table === source.table);
    if (!found) throw new CdcError('contract_invalid', `${directory}: no file for table ${source.table}`);
    if (second) throw new CdcError('contract_invalid', `${second.file}: ${found.file} is for ${source.table} already`);
    return wellFormed({ ...found, schema: source.schema, topic: source.topic });
  });
}

async function readFolder(directory: string): Promise<ContractFile[]> {
  const unreadable = (path: string) => (error: unknown) => {
    throw new CdcError('contract_invalid', `${path}: cannot be read`, { cause: error });
  };
  const names = await readdir(directory).catch(unreadable(directory));
  const files = names.filter((name) => name.endsWith('.avsc')).sort();
  return Promise.all(
    files.map(async (name) => {
      const file = join(directory, name);
      return parseContract(await readFile(file, 'utf8').catch(unreadable(file)), file);
    }),
  );
}

/** avsc has the last word on what the registry and every reader will be given. */
function wellFormed(contract: Contract): Contract {
  const { key, value } = schemasOf(contract);
  for (const schema of [key, value]) {
    try {
      Type.forSchema(JSON.parse(schema));
    } catch (error) {
      throw new CdcError('contract_invalid', `${contract.file}: no valid Avro: ${(error as Error).message}`);
    }
  }
  return contract;
}
