import type { Reporter, TestModule } from 'vitest/node'

/** Prints the result as its very last line, for people and for CI: `N passed, N failed`. A run of no tests fails. */
export function closingLine(): Reporter {
  return {
    onTestRunEnd(modules, errors) {
      const tests = modules.flatMap((module: TestModule) => [...module.children.allTests()])
      const passed = tests.filter((test) => test.result().state === 'passed').length
      // What failed outside a test (a module that does not load, an unhandled rejection) counts as well.
      const broken = modules.filter((module) => module.state() === 'failed' && module.errors().length).length
      const failed = tests.filter((test) => test.result().state === 'failed').length + broken + errors.length
      if (passed + failed === 0) process.exitCode = 1
      process.once('exit', () => console.log(`${passed} passed, ${failed} failed`))
    },
  }
}
