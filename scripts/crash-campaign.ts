/**
 * The crash tests at length: processes killed and disturbed at steps that a seed chooses, and states
 * of disks on which the power failed. Build first.
 *
 *     node dist/scripts/crash-campaign.js [--kills 2000] [--faults 500] [--states 20000] [--seed 1]
 *
 * It prints what it did for each scenario, and ends with 1 at the first that kept no promise; its
 * folder, which is printed then, stays.
 */
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import pLimit from 'p-limit'
import { crashRounds } from '../fixtures/crash/crash-rounds.js'
import { losePower } from '../fixtures/crash/lose-power.js'
import { FAULTS, HALF_WAY, planFault, planKill } from '../fixtures/crash/test-rounds.js'

const SCENARIOS = ['small', 'large', 'again', 'aliases', 'rebuild', 'pull', 'receive']

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '2000' },
    faults: { type: 'string', default: '500' },
    states: { type: 'string', default: '20000' },
    seed: { type: 'string', default: '1' },
  },
})
const [kills, faults, states, seed] = [values.kills, values.faults, values.states, values.seed].map(
  Number,
) as [number, number, number, number]
const base = realpathSync(mkdtempSync(join(tmpdir(), 'artifactd-crash-')))
const codes = Object.keys(FAULTS)
let failed = false

/** Runs one part of the campaign in a folder of its own, which stays if a promise was not kept. */
async function runPart(
  name: string,
  work: (folder: string) => Promise<{ done: string; problems: string[] }>,
): Promise<void> {
  if (failed) return
  const folder = join(base, name.replaceAll(' ', '-'))
  mkdirSync(folder)
  const { done, problems } = await work(folder)
  console.log(`${name}: ${done}`)
  if (problems.length === 0) return rmSync(folder, { recursive: true })
  failed = true
  console.error(`${name}, seed ${seed}, in ${folder}:`)
  for (const problem of problems.slice(0, 20)) console.error(`  ${problem}`)
}

const show = (counts: Map<string, number>) =>
  [...counts].map(([what, count]) => `${count} × ${what}`).join(', ')

const limit = pLimit(2)
const parts = SCENARIOS.flatMap(scenario => {
  const rounds = Math.ceil(kills / SCENARIOS.length)
  const disturbed = Math.ceil(faults / SCENARIOS.length / codes.length)
  return [
    () =>
      runPart(`${scenario} killed`, async folder => {
        const report = await crashRounds(scenario, folder, { rounds, seed, plan: planKill })
        return { ...report, done: `${rounds} kills: ${show(report.steps)}` }
      }),
    ...codes.map(
      code => () =>
        runPart(`${scenario} ${code}`, async folder => {
          const options = { rounds: disturbed, seed, plan: planFault(code) }
          const report = await crashRounds(scenario, folder, options)
          return { ...report, done: `${disturbed} faults: ${show(report.steps)}` }
        }),
    ),
    () => runPart(`${scenario} without power`, folder => loseEverywhere(scenario, folder)),
  ]
})
await Promise.all(parts.map(part => limit(part)))
if (!failed) rmSync(base, { recursive: true })
process.exitCode = failed ? 1 : 0

async function loseEverywhere(scenario: string, folder: string) {
  const wanted = states / SCENARIOS.length
  const problems: string[] = []
  let made = 0
  for (let turn = 0; made < wanted && problems.length === 0; turn += 1) {
    const inner = join(folder, `${turn}`)
    mkdirSync(inner)
    const kill = [undefined, ...HALF_WAY][turn % (HALF_WAY.length + 1)]
    const options = { seed: seed + turn, statesAChange: 3, ...(kill && { kill }) }
    const report = await losePower(scenario, inner, options)
    problems.push(...report.problems)
    made += report.states
  }
  return { done: `${made} states`, problems }
}
