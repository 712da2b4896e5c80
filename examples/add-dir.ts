// Adds folders, and a file that is not there yet.
import { Artifact, init } from 'artifactd'

await using run = await init({ project: 'artifacts-example', jobType: 'add-dir' })

const top = new Artifact({ name: 'images-at-the-top', type: 'dataset' })
await top.addDir('images') // cat.png, dog.png
run.logArtifact(top)

const below = new Artifact({ name: 'images-below', type: 'dataset' })
await below.addDir('images', { name: 'images' }) // images/cat.png, images/dog.png
run.logArtifact(below)

const made = new Artifact({ name: 'new-file', type: 'dataset' })
await made.newFile('hello.txt') // hello.txt
run.logArtifact(made)
