/**
 * What the event loop of a user's program feels while it logs 50,000 files of 10 KiB: the longest
 * time between two turns of a timer of 1 ms, which is to stay below 20 ms, and how long the main
 * thread computed in one go, which other work on the machine does not change.
 *
 *     node dist/bench/event-loop.js [--rounds 5] [--files 50000]
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { makeEvenTree } from '../fixtures/make-even-tree.js'
import { runNode } from '../fixtures/run-node.js'
import type { WatchedStep } from '../fixtures/watch-event-loop.js'
import { describeMachine, makeWorkFolder, readOptions, summarize, warm } from './harness.js'

const BAR_MS = 20
const WATCHER = fileURLToPath(new URL('../fixtures/watch-event-loop.js', import.meta.url))

const { rounds, files } = readOptions({ files: 50_000 })
const work = makeWorkFolder('event-loop')
const tree = join(work.path, 'tree')
makeEvenTree(tree, { files, size: 10 * 1024, folders: 100 })

const measured = new Map<string, WatchedStep[]>()
for (let round = 0; round < rounds; round += 1) {
  warm(tree)
  for (const state of ['new', 'unchanged']) {
    const env = { ARTIFACT_HOME: join(work.path, `home-${round}`), ARTIFACT_DAEMON: 'never' }
    const { code, stdout, stderr } = await runNode([WATCHER, tree], { env })
    if (code !== 0) throw new Error(stderr)
    for (const step of (JSON.parse(stdout) as { steps: WatchedStep[] }).steps) {
      const row = `${step.step}, ${state}`
      measured.set(row, [...(measured.get(row) ?? []), step])
    }
  }
  process.stderr.write(`round ${round + 1} of ${rounds}\n`)
}

console.log(`${files} files of 10 KiB; ${rounds} rounds; ${describeMachine()}\n`)
console.log(`| step | longest block, ms | below ${BAR_MS} ms | computing, ms | seconds |`)
console.log('| --- | --- | --- | --- | --- |')
for (const [row, steps] of measured) {
  const block = summarize(steps.map(({ longestMs }) => longestMs))
  const cpu = steps.flatMap(({ longestCpuMs }) => longestCpuMs ?? [])
  const computing = cpu.length > 0 ? summarize(cpu).text : '–'
  const seconds = summarize(steps.map(step => step.seconds)).text
  const met = block.median < BAR_MS ? 'yes' : 'no'
  console.log(`| ${row} | ${block.text} | ${met} | ${computing} | ${seconds} |`)
}
work.remove()
