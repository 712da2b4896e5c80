/**
 * A table of 200,000 rows of ten columns into an artifact and out of it, from arrays and from CSV,
 * beside `JSON.stringify` of the same rows into a file and `JSON.parse` of that. Each step is a
 * process of its own, its start counted, in alternating rounds.
 *
 *     npm run build && node dist/bench/table.js [--rounds 5] [--rows 200000]
 */
import { once } from 'node:events'
import { copyFileSync, createWriteStream, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Artifact, init, Table } from '../src/index.js'
import { describeMachine, makeWorkFolder, readOptions, runProgram, summarize } from './harness.js'

const COLUMNS = ['id', 'name', 'split', 'score', 'loss', 'ok', 'x', 'y', 'label', 'seen']

function makeRow(index: number): (number | string | boolean)[] {
  const fraction = ((index * 7919) % 100_003) / 100_003
  const split = index % 10 === 0 ? 'test' : 'train'
  const label = `class-${index % 100}`
  const [x, y] = [index * 0.25, fraction * 1000]
  return [
    index,
    `img_${index}.png`,
    split,
    fraction,
    1 - fraction,
    index % 3 > 0,
    x,
    y,
    label,
    index * 7,
  ]
}

function makeRows(count: number): ReturnType<typeof makeRow>[] {
  return Array.from({ length: count }, (_, index) => makeRow(index))
}

/** What each step does, in its own process; the folder holds `rows.csv` and what was made before. */
const STEPS: Record<string, (folder: string, rows: number) => Promise<number>> = {
  async 'JSON.stringify'(folder, rows) {
    writeFileSync(join(folder, 'rows.json'), JSON.stringify(makeRows(rows)), { flush: true })
    return rows
  },
  async 'JSON.parse'(folder) {
    return JSON.parse(readFileSync(join(folder, 'rows.json'), 'utf8')).length
  },
  async 'arrays in'(_folder, rows) {
    return logTable(new Table({ columns: COLUMNS, data: makeRows(rows) }), 'arrays')
  },
  async 'CSV in'(folder) {
    return logTable(await Table.fromCsv(join(folder, 'rows.csv')), 'csv')
  },
  async 'rows out'() {
    const run = await init({ project: 'bench' })
    const table = await (await run.useArtifact('arrays')).get('table')
    let count = 0
    for await (const row of table.rows()) count += row.length === COLUMNS.length ? 1 : 0
    return count
  },
}

async function logTable(table: Table, name: string): Promise<number> {
  const artifact = new Artifact({ name, type: 'dataset' })
  await artifact.add(table, 'table')
  await artifact.save({ project: 'bench' })
  return table.rowCount
}

async function writeCsv(path: string, rows: number): Promise<void> {
  const file = createWriteStream(path)
  file.write(`${COLUMNS.join(',')}\n`)
  for (let index = 0; index < rows; index += 1) {
    const hasRoom = file.write(`${makeRow(index).join(',')}\n`)
    if (!hasRoom) await once(file, 'drain')
  }
  await new Promise<void>(resolve => file.end(() => resolve()))
}

async function measure(rounds: number, rows: number): Promise<void> {
  const work = makeWorkFolder('table')
  const seconds: Record<string, number[]> = {}
  const peaks: Record<string, number[]> = {}
  const csv = join(work.path, 'rows.csv')
  await writeCsv(csv, rows)
  for (let round = 0; round < rounds; round += 1) {
    const folder = join(work.path, `round-${round}`)
    mkdirSync(folder)
    copyFileSync(csv, join(folder, 'rows.csv'))
    const env = { ARTIFACT_HOME: join(folder, 'home') }
    for (const step of Object.keys(STEPS)) {
      const args = ['--step', step, folder, String(rows)]
      const { stdout, ...measured } = runProgram(fileURLToPath(import.meta.url), args, env)
      if (Number(stdout) !== rows) throw new Error(`${step} had ${stdout} rows`)
      seconds[step] = [...(seconds[step] ?? []), measured.seconds]
      peaks[step] = [...(peaks[step] ?? []), measured.peakMiB]
    }
    process.stderr.write(`round ${round + 1} of ${rounds}\n`)
  }
  console.log(`${rows} rows of ${COLUMNS.length}; ${rounds} rounds; ${describeMachine()}\n`)
  console.log('| step | seconds: median (min–max) | peak MiB |')
  console.log('|---|---|---|')
  for (const [step, values] of Object.entries(seconds)) {
    console.log(`| ${step} | ${summarize(values).text} | ${summarize(peaks[step]!).text} |`)
  }
  work.remove()
}

const [first, ...rest] = process.argv.slice(2)
if (first === '--step') {
  const [step, folder, rows] = rest
  console.log(await STEPS[step!]!(folder!, Number(rows)))
} else {
  const { rounds, rows } = readOptions({ rows: 200_000 })
  await measure(rounds, rows)
}
