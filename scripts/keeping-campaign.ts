/**
 * The rounds of test/keeping at length, or one of them alone. Build first.
 *
 *     node dist/scripts/keeping-campaign.js server|home [--first 1] [--count 1000]
 *
 * It prints how often who was killed, and ends with 1 at the first seed after which something is not
 * as it must be.
 */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { HomeScene } from '../fixtures/keeping/home-scene.js'
import { runRounds } from '../fixtures/keeping/run-rounds.js'
import { ServerScene } from '../fixtures/keeping/server-scene.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    first: { type: 'string', default: '1' },
    count: { type: 'string', default: '1000' },
  },
})
const scene = positionals[0] === 'home' ? HomeScene : ServerScene
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'artifactd-keeping-')))
const [first, count] = [Number(values.first), Number(values.count)]
const onRound = (done: number) => {
  if (done % 50 === 0) console.log(`${done} of ${count} rounds`)
}
const options = { first, count, onRound }
const { problems, rounds, counts } = await runRounds(() => scene.open(folder), options)
console.log(`${rounds} rounds`)
for (const [what, times] of Object.entries(counts)) console.log(`${times} ${what}`)
for (const problem of problems) console.error(problem)
// What is wrong can be looked at.
if (problems.length > 0) console.error(`see ${folder}`)
else rmSync(folder, { recursive: true })
process.exitCode = problems.length > 0 ? 1 : 0
