// Logs ten versions in a loop. W&B does not promise their order; here v0 has index 0, always.
import { Artifact, init } from 'artifactd'

await using run = await init({ project: 'artifacts-example', jobType: 'job-type' })

for (let index = 0; index < 10; index += 1) {
  const artifact = new Artifact({ name: 'race', type: 'dataset', metadata: { index } })
  artifact.newFile('index.txt', String(index)) // need not be awaited: logging waits for it
  run.logArtifact(artifact)
}
