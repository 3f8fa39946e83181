import type {Reporter, TestModule} from 'vitest/node'

/**
 * Prints every skipped test with its reason, which stands in its name: `… (skipped: the service can't do that)`.
 *
 * With `ENVDRIFT_UNEXPLAINED_SKIPS=fail`, as in CI, a test that was skipped without one fails the run.
 */
export default class SkipReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const skipped = modules.flatMap((module) => [...module.children.allTests('skipped')].map((test) => test.fullName))
    const reasons = Map.groupBy(skipped, (name) => /\(skipped: (.+?)\)/.exec(name)?.[1])
    const unexplained = reasons.get(undefined) ?? []
    const lines = [...reasons].flatMap(([reason, names]) =>
      reason === undefined ? [] : [`  ${names.length} skipped: ${reason}`],
    )
    process.stdout.write([...lines, ...unexplained.map((name) => `  skipped without a reason: ${name}`), ''].join('\n'))
    if (unexplained.length > 0 && process.env['ENVDRIFT_UNEXPLAINED_SKIPS'] === 'fail') process.exitCode = 1
  }
}
