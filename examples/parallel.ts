// Five processes build one artifact together, each with a part of a table; the last run finishes it.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Artifact, init, PartitionedTable, Table } from 'artifactd'

const project = 'artifacts-example'
const name = 'parallel-artifact'
const type = 'dataset'
const tableName = 'distributed_table'
const partsPath = 'parts'
const parallel = 5

const [group, part] = process.argv.slice(2)
if (group !== undefined && part !== undefined) await train(group, Number(part))
else await launch(`writer-group-${Date.now()}`)

/** One writer: it adds its part of the table. */
async function train(group: string, index: number): Promise<void> {
  await using run = await init({ project, group })
  const artifact = new Artifact({ name, type })
  const table = new Table({ columns: ['a', 'b', 'c'], data: [[index, index * 2, 2 ** index]] })
  await artifact.add(table, `${partsPath}/table_${index}`)
  run.upsertArtifact(artifact)
}

/** Starts the writers in parallel, waits for all of them, and finishes what they made. */
async function launch(group: string): Promise<void> {
  const program = fileURLToPath(import.meta.url)
  const writers = Array.from({ length: parallel }, (_, index) =>
    fork(program, [group, String(index)]),
  )
  const ends = await Promise.all(writers.map(writer => once(writer, 'exit')))
  if (ends.some(([code]) => code !== 0)) throw new Error('a writer failed')

  await using run = await init({ project, group })
  const artifact = new Artifact({ name, type })
  await artifact.add(new PartitionedTable(partsPath), tableName)
  const logged = run.finishArtifact(artifact)
  await logged.committed

  const table = await logged.get(tableName)
  for await (const row of table.rows()) console.log(row.join(' '))
}
