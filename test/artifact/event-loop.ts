import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { makeEvenTree } from '../../fixtures/make-even-tree.js'
import { runNode } from '../../fixtures/run-node.js'
import { useHome } from '../../fixtures/use-home.js'
import type { WatchedStep } from '../../fixtures/watch-event-loop.js'

const FILES = 20_000
const WATCHER = fileURLToPath(new URL('../../fixtures/watch-event-loop.js', import.meta.url))

t.test('a program goes on with its own work while it logs', async t => {
  const { folder, home } = useHome(t)
  const tree = join(folder, 'tree')
  makeEvenTree(tree, { files: FILES, size: 1000, folders: 100 })
  for (const state of ['new', 'unchanged']) {
    const { code, stdout, stderr } = await runNode([WATCHER, tree], {
      env: { ARTIFACT_HOME: home, ARTIFACT_DAEMON: 'never' },
    })
    t.same({ code, stderr }, { code: 0, stderr: '' })
    const { files, steps } = JSON.parse(stdout) as { files: number; steps: WatchedStep[] }
    t.equal(files, FILES)
    for (const { step, seconds, turns, longestMs, longestCpuMs } of steps) {
      const cpu = longestCpuMs === null ? '' : `, ${longestCpuMs.toFixed(1)} ms of them computing`
      t.comment(`${state}, ${step}: at most ${longestMs.toFixed(1)} ms${cpu}, ${seconds} s in all`)
      t.ok(turns > 5, `${step} of ${state} files let a timer have its turn ${turns} times`)
    }
  }
})
