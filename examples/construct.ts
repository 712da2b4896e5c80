// Constructs an artifact in three steps: create it, add a file, log it in a run.
import { Artifact, init } from 'artifactd'

const artifact = new Artifact({
  name: 'greetings',
  type: 'dataset',
  description: 'What one says first',
  metadata: { language: 'en' },
})

await artifact.addFile('hello_world.txt', { name: 'optional-name' })

await using run = await init({ project: 'artifacts-example', jobType: 'job-type' })
const logged = run.logArtifact(artifact)
await logged.committed
console.log(`${logged.qualifiedName} has ${logged.fileCount} file`)
