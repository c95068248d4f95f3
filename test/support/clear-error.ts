import type { Finished, RunningService } from './service';

const STACK_TRACE = /^\s+at |\\n\s+at /m;
const NODE_WARNING = /^\(node:\d+\)/m;
/** The passwords of the test servers, in a URL. */
const CREDENTIALS = /:(?:postgres|ventia_(?:capture|sink)_\w+)@/;

/** A command's one error: code, what and fix, and nothing else. */
export function expectClearError({ stdout, stderr }: Finished, code: string): void {
  expect(stderr).toMatch(new RegExp(`^error ${code}  \\S.*\\n(  .+\\n)*fix  \\S.*\\n$`));
  expectNoInnards(stdout + stderr);
}

/** The same of a service that lives on: it says so once for each connector concerned, not once for each try. */
export function expectClearLog(service: RunningService, code: string): void {
  const said = service.log.filter((line) => line.code === code);
  expect(said).not.toEqual([]);
  for (const { msg, fix } of said)
    expect([msg, fix]).toEqual([expect.stringMatching(/\S/), expect.stringMatching(/\S/)]);
  const times = said.map(({ connector, msg }) => `${connector}: ${msg}`);
  expect(times).toEqual([...new Set(times)]);
  expectNoInnards(service.output);
}

function expectNoInnards(output: string): void {
  expect(output).not.toMatch(STACK_TRACE);
  expect(output).not.toMatch(NODE_WARNING);
  expect(output).not.toMatch(CREDENTIALS);
}
