/**
 * Projects by need: unit needs nothing, integration the shared servers, e2e runs the built command against them. bench
 * measures, compose needs a container engine; neither is part of `npm test`.
 */
const common = {
  testEnvironment: 'node',
  roots: ['<rootDir>/src', '<rootDir>/test'],
  transform: {
    '^.+\\.[jt]s$': [
      '@swc/jest',
      { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'commonjs' } },
    ],
  },
  // fastify's inject() needs cookie, which is published as an ES module only.
  transformIgnorePatterns: ['/node_modules/(?!cookie/)'],
};
const servers = {
  globalSetup: '<rootDir>/test/support/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/global-teardown.ts',
};

module.exports = {
  // On a busy machine of two cores everything may take ten times longer; what must be quick is asserted where it matters.
  testTimeout: 60_000,
  // Jest leaves one core alone, but most tests wait for servers and not for a core.
  maxWorkers: Math.max(2, require('node:os').availableParallelism() - 1),
  reporters: ['default', ['<rootDir>/test/support/count-reporter.js', { file: '.dev/test-counts.json' }]],
  projects: [
    { ...common, displayName: 'unit', testMatch: ['<rootDir>/test/{unit,property}/**/*.test.ts'] },
    {
      ...common,
      ...servers,
      displayName: 'integration',
      testMatch: ['<rootDir>/test/{contract,integration}/**/*.test.ts'],
    },
    { ...common, ...servers, displayName: 'e2e', testMatch: ['<rootDir>/test/e2e/**/*.test.ts'] },
    { ...common, displayName: 'compose', testMatch: ['<rootDir>/test/compose/**/*.test.ts'] },
    { ...common, ...servers, displayName: 'bench', testMatch: ['<rootDir>/test/bench/**/*.bench.ts'] },
  ],
};
