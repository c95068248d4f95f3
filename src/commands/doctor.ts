import { styleText } from 'node:util';
import { loadConnectors } from '../config/connector-files';
import { loadSettings } from '../config/settings';
import { examine, type PlaceResult } from '../ops/doctor';
import { type Command, EXIT } from './command';
import { doctorPlaces } from './doctor-places';

export const doctor: Command = {
  usage: 'doctor',
  summary: 'look at everything the service needs; say what is wrong and what mends it',
  about: `Asks the source, Kafka, the registry, Messaging's database and the running processes whether all is as it must be, and
changes nothing. Each finding says what is wrong, why it matters and the exact command or SQL that mends it. A database
whose URL is not set is not asked. Exit code 3: there are problems.`,
  example: 'ventia-cdc doctor --json',
  options: [],
  async action({ env, out, json }) {
    const settings = loadSettings(env);
    const results = await examine(doctorPlaces(loadConnectors(settings.connectorsDir, env), settings));
    out.write(json ? `${JSON.stringify(results)}\n` : doctorText(results, out.isTTY && !env.NO_COLOR));
    const found = results.flatMap(({ checks }) => checks.flatMap(({ findings }) => findings));
    return found.some(({ severity }) => severity === 'problem') ? EXIT.findings : EXIT.done;
  },
};

/** Place by place: what is right in one line, what is not with everything that is to be known. */
export function doctorText(results: readonly PlaceResult[], colour: boolean): string {
  const paint = (format: 'bold' | 'red' | 'green' | 'yellow', text: string) =>
    colour ? styleText(format, text, { validateStream: false }) : text;
  const lines = results.flatMap(({ place, asked, checks }) => [
    `${paint('bold', place)}${asked ? '' : '  not asked: its address is not set here'}`,
    ...checks.flatMap(({ check, findings }) => [
      ...(findings.length === 0 ? [`  ${paint('green', 'ok')}       ${check}`] : []),
      ...findings.flatMap(({ severity, code, what, why, fix }) => [
        `  ${severity === 'problem' ? paint('red', 'problem') : paint('yellow', 'advice ')}  ${check}`,
        `           what  ${what}${code === null ? '' : ` (${code})`}`,
        `           why   ${why}`,
        `           fix   ${fix}`,
      ]),
    ]),
    '',
  ]);
  return `${lines.join('\n')}\n`;
}
