import {defineConfig} from 'vitest/config'

export default defineConfig({
  test: {
    coverage: {provider: 'v8', include: ['src/**'], reporter: ['text-summary']},
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/*.test.ts', 'test/{support,core,keys,config,system,providers,vault,workflows,report,cli}/**/*.test.ts'],
          testTimeout: 30_000,
        },
      },
      {extends: true, test: {
          name: 'cli',
          include: ['test/{commands,docs}/**/*.test.ts'],
          testTimeout: 60_000,
          globalSetup: ['test/support/build-once.ts'],
        }},
    ],
  },
})
