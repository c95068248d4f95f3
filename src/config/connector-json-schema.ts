import { z } from 'zod';
import { connectorFile } from './connector';

type Schema = Record<string, unknown>;
type ConnectorSchema = Schema & { properties: { config: { oneOf: { properties: Record<string, Schema> }[] } } };

/**
 * The JSON schema of a connector file, for editors: generated from the schema the service itself checks with. Every key
 * also takes a placeholder, which is expanded before the check.
 */
export function connectorJsonSchema(): Schema {
  const generated: Schema = z.toJSONSchema(connectorFile, { io: 'input', target: 'draft-7' });
  const schema = generated as ConnectorSchema;
  for (const connectorClass of schema.properties.config.oneOf) {
    for (const [key, value] of Object.entries(connectorClass.properties)) {
      if (key !== 'connector.class') connectorClass.properties[key] = orPlaceholder(value);
    }
  }
  return {
    ...schema,
    title: 'A connector of Ventia CDC',
    definitions: {
      placeholder: {
        type: 'string',
        pattern: '\\$\\{(env|file):[^}]+\\}',
        description: 'Taken from the environment or from a file when the connector file is read.',
      },
    },
  };
}

function orPlaceholder({ description, default: fallback, ...value }: Schema): Schema {
  const forms = Array.isArray(value.anyOf) ? value.anyOf : [value];
  return { description, default: fallback, anyOf: [...forms, { $ref: '#/definitions/placeholder' }] };
}
