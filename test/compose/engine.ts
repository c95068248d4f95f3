import { whatIsMissing } from './project';

/** A `describe` that needs a container engine; without one its tests are listed as not run, with what is missing. */
export function describeWithEngine(title: string, body: () => void): void {
  const missing = whatIsMissing();
  if (missing === null) {
    describe(title, body);
  } else {
    // Of files that are skipped whole Jest says nothing.
    process.stdout.write(`    not run: ${title} (needs ${missing})\n`);
    describe.skip(`${title} (needs ${missing})`, body);
  }
}

/** Figures for people: measured here, on this machine, now. */
export function tell(what: string, figures: Readonly<Record<string, number>>): void {
  const text = Object.entries(figures).map(([name, value]) => `${name} ${Math.round(value * 10) / 10}`);
  process.stdout.write(`    ${what}: ${text.join(', ')}\n`);
}
