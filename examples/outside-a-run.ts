// Logs an artifact that no run made.
import { Artifact } from 'artifactd'

const artifact = new Artifact({ name: 'outside', type: 'dataset' })
await artifact.addFile('hello_world.txt')
const logged = await artifact.save({ project: 'artifacts-example' })
console.log(logged.qualifiedName)
