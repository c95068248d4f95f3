import { loadConnectors } from '../../../src/config/connector-files';
import { connectorsFor } from '../../../src/dev/connectors';
import { temporaryFolder } from '../../support/temporary-folder';

test('profile repo has its schemas in the connector files, and the same topics', () => {
  const dir = temporaryFolder('connectors');
  const seed = loadConnectors(connectorsFor('seed', dir), {});
  const repo = loadConnectors(connectorsFor('repo', dir), {});
  const withoutSchemas = (connectors: typeof seed) =>
    JSON.parse(JSON.stringify(connectors).replaceAll(/"(ventia|messaging|public)"/g, '"<schema>"'));
  expect(withoutSchemas(repo)).toEqual(withoutSchemas(seed));
  expect(JSON.stringify(repo)).toContain('"public"');
  expect(JSON.stringify(repo)).not.toContain('"messaging"');
});
