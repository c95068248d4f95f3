// npm run docs: writes the parts of the documentation that come from the code, and the connector files' JSON schema.
const { readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { connectorJsonSchema } = require('../dist/config/connector-json-schema.js');
const manual = require('../dist/dev/manual.js');

function fill(page, sections) {
  const path = join(__dirname, page);
  const filled = Object.entries(sections).reduce(
    (text, [name, content]) => manual.withSection(text, name, content),
    readFileSync(path, 'utf8'),
  );
  writeFileSync(path, filled);
}

fill('errors.md', { errors: manual.errorsSection() });
fill('configuration.md', { variables: manual.variablesSection(), keys: manual.connectorKeysSection() });
writeFileSync(
  join(__dirname, '../connectors/connector.schema.json'),
  `${JSON.stringify(connectorJsonSchema(), null, 2)}\n`,
);
