// Adds single files, under their own names or others.
import { Artifact, init } from 'artifactd'

await using run = await init({ project: 'artifacts-example', jobType: 'add-file' })

const file = new Artifact({ name: 'file', type: 'dataset' })
await file.addFile('path/file.txt') // file.txt
run.logArtifact(file)

const renamed = new Artifact({ name: 'renamed-file', type: 'dataset' })
await renamed.addFile('path/file.txt', { name: 'new/path/file.txt' }) // new/path/file.txt
run.logArtifact(renamed)

const model = new Artifact({ name: 'model', type: 'model' })
await model.addFile('model.h5') // model.h5
run.logArtifact(model)

const checkpoint = new Artifact({ name: 'checkpoint', type: 'model' })
await checkpoint.addFile('checkpoints/model.h5') // model.h5
run.logArtifact(checkpoint)

const mymodel = new Artifact({ name: 'mymodel', type: 'model' })
await mymodel.addFile('model.h5', { name: 'models/mymodel.h5' }) // models/mymodel.h5
run.logArtifact(mymodel)
