// 32 writers, four in each of eight processes, upsert 200 parts each into one version of one store; in
// turns with 32 writers that log as many ordinary versions, of a name each. Every part and version has
// two small files. Process start is counted, and everything is durable. With WRITERS, UPSERTS and
// ROUNDS in the environment: fewer or more. Prints a table in Markdown.

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describeMachine, makeWorkFolder, runArtifact, summarize } from './harness.js'

const writers = Number(process.env.WRITERS ?? 32)
const upserts = Number(process.env.UPSERTS ?? 200)
const rounds = Number(process.env.ROUNDS ?? 5)
const PROCESSES = 8
/** Calls that a writer does not wait for. */
const AHEAD = 20

const script = fileURLToPath(new URL('../fixtures/run/upsert-many.js', import.meta.url))

/** Runs all writers to their end. @returns seconds. */
async function runWriters(home: string, mode: 'upsert' | 'log'): Promise<number> {
  const started = process.hrtime.bigint()
  const each = writers / PROCESSES
  const ends = Array.from({ length: PROCESSES }, (_, index) => {
    const args = ['g', index * each, each, upserts, AHEAD, mode].map(String)
    const child = spawn(process.execPath, [script, ...args], {
      env: { ...process.env, ARTIFACT_HOME: home, ARTIFACT_DAEMON: 'never' },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    return new Promise<void>((resolve, reject) => {
      child.once('exit', code => (code === 0 ? resolve() : reject(new Error(`ended with ${code}`))))
    })
  })
  await Promise.all(ends)
  return Number(process.hrtime.bigint() - started) / 1e9
}

const folder = makeWorkFolder('upserts')
const seconds = { upsert: [] as number[], finish: [] as number[], log: [] as number[] }
for (let round = 0; round < rounds; round += 1) {
  const home = join(folder.path, `upsert-${round}`)
  seconds.upsert.push(await runWriters(home, 'upsert'))
  const finished = runArtifact(['finish', 'p/parts', '--group', 'g'], { ARTIFACT_HOME: home })
  seconds.finish.push(finished.seconds)
  seconds.log.push(await runWriters(join(folder.path, `log-${round}`), 'log'))
}
folder.remove()

const total = writers * upserts
const versions = summarize(seconds.log).median
const rows = [
  ['ordinary versions', seconds.log],
  ['upserts', seconds.upsert],
  ['the finish', seconds.finish],
] as const
console.log(`${total} calls of ${writers} writers, ${rounds} rounds, ${describeMachine()}\n`)
console.log('| step | seconds | a second | × ordinary versions |\n| --- | --- | --- | --- |')
for (const [step, values] of rows) {
  const { median, text } = summarize(values)
  const rate = step === 'the finish' ? '' : Math.round(total / median)
  console.log(`| ${step} | ${text} | ${rate} | ${(median / versions).toFixed(2)} |`)
}
