const { mkdirSync, writeFileSync } = require('node:fs');
const { dirname } = require('node:path');

/** Leaves the numbers of a run in a file, for scripts. A file of tests that could not even start counts as a failure. */
module.exports = class CountReporter {
  constructor(_config, { file }) {
    this.file = file;
  }

  onRunComplete(_contexts, { numPassedTests, numFailedTests, numRuntimeErrorTestSuites }) {
    mkdirSync(dirname(this.file), { recursive: true });
    const counts = { passed: numPassedTests, failed: numFailedTests + numRuntimeErrorTestSuites };
    writeFileSync(this.file, JSON.stringify(counts));
  }
};
