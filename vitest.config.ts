import {join} from 'node:path'

import {defineConfig} from 'vitest/config'

/** The folder in which CI wants the counts, a file for each run, beside what people read. */
const results = process.env['ENVDRIFT_TEST_RESULTS']

export default defineConfig({
  test: {
    // One core less would be the default, which halves the speed of two.
    maxWorkers: '100%',
    reporters: [
      'default',
      './test/support/skip-reporter.ts',
      ...(results === undefined
        ? []
        : [['json', {outputFile: join(results, `${process.pid}.json`)}] as [string, object]]),
    ],
    coverage: {provider: 'v8', include: ['src/**'], reporter: ['text-summary']},
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: [
            'test/*.test.ts',
            'test/{support,core,keys,config,system,providers,vault,workflows,report,cli,build}/**/*.test.ts',
          ],
          testTimeout: 30_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'cli',
          include: ['test/{commands,docs}/**/*.test.ts'],
          testTimeout: 60_000,
          globalSetup: ['test/support/build-once.ts'],
        },
      },
      {
        extends: true,
        test: {
          // An installed package, as `npm run test:package` has it; ENVDRIFT_TEST_ENTRY and ENVDRIFT_TEST_NODE name it.
          name: 'package',
          include: ['test/{package,commands}/**/*.test.ts'],
          testTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'servers',
          include: [
            'test/servers/**/*.test.ts',
            // Those that also run on a Vault of their own, where there is one.
            'test/providers/hashicorp/{answers,kv-version,logins,permissions,session}.test.ts',
          ],
          setupFiles: ['test/servers/name-vault.ts'],
          testTimeout: 60_000,
        },
      },
    ],
  },
})
