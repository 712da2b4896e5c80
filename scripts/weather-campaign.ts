/**
 * The bad-weather scenarios of test/weather at length, or one of them alone. Build first.
 *
 *     node dist/scripts/weather-campaign.js [--first 1] [--count 1000] [--lanes 2]
 *
 * It prints which faults were met, and ends with 1 at the first seed after which something is not as
 * it must be.
 */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runScenarios } from '../fixtures/weather/run-scenarios.js'

const { values } = parseArgs({
  options: {
    first: { type: 'string', default: '1' },
    count: { type: 'string', default: '1000' },
    lanes: { type: 'string', default: '2' },
  },
})
const [first, count, lanes] = [values.first, values.count, values.lanes].map(Number) as [
  number,
  number,
  number,
]
const base = realpathSync(mkdtempSync(join(tmpdir(), 'artifactd-weather-')))
const { problems, met } = await runScenarios(base, { first, count, lanes })
for (const [kind, times] of met) console.log(`${times} × ${kind}`)
for (const problem of problems) console.error(problem)
rmSync(base, { recursive: true })
process.exitCode = problems.length > 0 ? 1 : 0
