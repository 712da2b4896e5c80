// Adds two tables and a third that is both of them together, and reads its rows.
import { Artifact, init, PartitionedTable, Table } from 'artifactd'

const artifact = new Artifact({ name: 'scores', type: 'dataset' })
await artifact.add(new Table({ columns: ['id', 'score'], data: [[1, 0.5]] }), 'parts/a')
await artifact.add(Table.from([{ id: 2, score: 0.25 }]), 'parts/b') // also fromCsv, fromNdjson, …
await artifact.add(new PartitionedTable('parts'), 'all') // every table in parts/ as one
await artifact.save({ project: 'my-project' })

const run = await init({ project: 'my-project' })
const all = await (await run.useArtifact('scores')).get('all')
for await (const [id, score] of all.rows()) console.log(id, score)
