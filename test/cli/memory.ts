import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { makeEvenTree } from '../../fixtures/make-even-tree.js'
import { cliIn } from '../../fixtures/run-cli.js'
import { useHome } from '../../fixtures/use-home.js'

const FILES = 200_000
/** MiB of all threads together. */
const CEILING = 280

const { folder, home } = useHome(t)
const peakFile = join(folder, 'peak')
const recorder = new URL('../../../bench/record-peak.mjs', import.meta.url)
const cli = cliIn(folder, home, {
  NODE_OPTIONS: `--import=${recorder.href}`,
  PEAK_FILE: peakFile,
})

t.test('the memory of a put does not grow with the files', async t => {
  makeEvenTree(join(folder, 'tree'), { files: FILES, size: 200, folders: 200 })
  for (const state of ['new', 'unchanged']) {
    const { code, json } = await cli(['put', 'tree', '-n', 'p/tree', '--json'])
    t.match({ code, json }, { code: 0, json: { fileCount: FILES } })
    const [peakKiB] = readFileSync(peakFile, 'utf8').split(' ')
    const peak = Math.round(Number(peakKiB) / 1024)
    t.comment(`${state}: ${peak} MiB at most`)
    t.ok(peak > 40 && peak < CEILING, `${state}: ${peak} MiB are below ${CEILING}`)
  }
})
