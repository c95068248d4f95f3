/** Runs keep-stack.ts as it stands: TypeScript is compiled file by file as it is required. */
const { transformFileSync } = require('@swc/core');

require.extensions['.ts'] = (module, filename) => {
  const { code } = transformFileSync(filename, {
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
    module: { type: 'commonjs' },
    sourceMaps: 'inline',
  });
  module._compile(code, filename);
};

require('./keep-stack.ts')
  .main(process.argv[2])
  .catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
