/**
 * `put`, the same `put` again, `sync` to a server on loopback, and `get`, of 50,000 files of 10 KiB,
 * each as a command, beside `cp -r` and `sync` of the same tree, in alternating rounds.
 *
 *     npm run build && node dist/bench/put-sync-get.js [ROUNDS] [FILES]
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import {
  describeMachine,
  makeTree,
  makeWorkFolder,
  runArtifact,
  runShell,
  startServer,
  summarize,
} from './harness.js'

const rounds = Number(process.argv[2] ?? 5)
const files = Number(process.argv[3] ?? 50_000)
const work = makeWorkFolder('put-sync-get')
const tree = join(work.path, 'tree')
makeTree(tree, { files, size: 10 * 1024, folders: 100 })
runShell('sync')

const seconds: Record<string, number[]> = {}
const peaks: Record<string, number[]> = {}
const note = (row: string, { seconds: time, peakMiB }: { seconds: number; peakMiB?: number }) => {
  seconds[row] = [...(seconds[row] ?? []), time]
  if (peakMiB !== undefined) peaks[row] = [...(peaks[row] ?? []), peakMiB]
}

for (let round = 0; round < rounds; round += 1) {
  const folder = join(work.path, `round-${round}`)
  mkdirSync(folder)
  const env = { ARTIFACT_HOME: join(folder, 'home') }
  const copy = join(folder, 'copy')
  // Idle pages are taken back by some systems: both begin with the tree in the page cache.
  const warm = () => void runShell(`find '${tree}' -type f -exec cat {} + > /dev/null`)
  warm()
  note('cp -r + sync', { seconds: runShell(`cp -r '${tree}' '${copy}' && sync`) })
  warm()
  note('put', runArtifact(['put', tree, '-n', 'bench', '--json'], env))
  note('put again', runArtifact(['put', tree, '-n', 'bench', '--json'], env))
  const server = await startServer(join(folder, 'server'))
  try {
    note('sync', runArtifact(['sync', '--json'], { ...env, ARTIFACT_REMOTE: server.url }))
    const elsewhere = { ARTIFACT_HOME: join(folder, 'elsewhere'), ARTIFACT_REMOTE: server.url }
    const root = join(folder, 'out')
    note(
      'get (from the server)',
      runArtifact(['get', 'bench', '--root', root, '--json'], elsewhere),
    )
    const again = join(folder, 'out-again')
    note('get (from the store)', runArtifact(['get', 'bench', '--root', again, '--json'], env))
  } finally {
    await server.stop()
  }
  process.stderr.write(`round ${round + 1} of ${rounds}\n`)
}

const copy = summarize(seconds['cp -r + sync']!).median
console.log(`${files} files of 10 KiB; ${rounds} rounds; ${describeMachine()}\n`)
console.log('| step | seconds: median (min–max) | × cp -r + sync | peak MiB |')
console.log('|---|---|---|---|')
for (const [row, values] of Object.entries(seconds)) {
  const { median, text } = summarize(values)
  const peak = peaks[row] ? Math.round(summarize(peaks[row]).median) : '–'
  console.log(`| ${row} | ${text} | ${(median / copy).toFixed(2)} | ${peak} |`)
}
work.remove()
