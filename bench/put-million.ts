/**
 * `artifact put` of 10,000, 100,000 and 1,000,000 files of 200 bytes in as many thousandths of
 * folders, as a command, durable: whether the time for a file stays, and the peak memory.
 *
 *     node dist/bench/put-million.js [--rounds 5] [--files 1000000]
 */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { makeEvenTree } from '../fixtures/make-even-tree.js'
import {
  describeMachine,
  makeWorkFolder,
  readOptions,
  runArtifact,
  runShell,
  summarize,
  warm,
} from './harness.js'

const { rounds, files } = readOptions({ files: 1_000_000 })
const work = makeWorkFolder('put-million')
const sizes = [100, 10, 1].map(part => Math.max(1, Math.round(files / part)))
const tree = (size: number) => join(work.path, `tree-${size}`)
for (const size of sizes) {
  makeEvenTree(tree(size), { files: size, size: 200, folders: Math.ceil(size / 1000) })
}
runShell('sync')

const measured = new Map<string, { seconds: number[]; peaks: number[] }>()
for (let round = 0; round < rounds; round += 1) {
  for (const size of sizes) {
    const folder = join(work.path, `${round}-${size}`)
    mkdirSync(folder)
    warm(tree(size))
    for (const state of ['new', 'unchanged']) {
      const { seconds, peakMiB, stdout } = runArtifact(
        ['put', tree(size), '-n', 'bench', '--json'],
        { ARTIFACT_HOME: join(folder, 'home') },
      )
      if (JSON.parse(stdout).fileCount !== size) throw new Error('files are missing')
      const key = `${size} | ${state}`
      const known = measured.get(key) ?? { seconds: [], peaks: [] }
      measured.set(key, known)
      known.seconds.push(seconds)
      known.peaks.push(peakMiB)
    }
    rmSync(folder, { recursive: true })
  }
  process.stderr.write(`round ${round + 1} of ${rounds}\n`)
}

console.log(`files of 200 B; ${rounds} rounds; ${describeMachine()}\n`)
console.log('| files | store | seconds | µs a file | peak MiB |\n| --- | --- | --- | --- | --- |')
for (const [key, { seconds, peaks }] of measured) {
  const size = Number(key.split(' ')[0])
  const each = summarize(seconds.map(value => (value / size) * 1e6)).text
  console.log(
    `| ${key} | ${summarize(seconds).text} | ${each} | ${Math.round(Math.max(...peaks))} |`,
  )
}
work.remove()
