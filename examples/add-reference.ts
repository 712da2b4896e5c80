// Refers to what lies in a bucket, without copying it: s3://my-bucket, or the URI that is given.
import { Artifact, init } from 'artifactd'

const bucket = process.argv[2] ?? 's3://my-bucket'

await using run = await init({ project: 'artifacts-example', jobType: 'add-reference' })

const model = new Artifact({ name: 'referred-model', type: 'model' })
await model.addReference(`${bucket}/model.h5`) // model.h5
run.logArtifact(model)

const checkpoint = new Artifact({ name: 'referred-checkpoint', type: 'model' })
await checkpoint.addReference(`${bucket}/checkpoints/model.h5`) // model.h5
run.logArtifact(checkpoint)

const mymodel = new Artifact({ name: 'referred-mymodel', type: 'model' })
await mymodel.addReference(`${bucket}/model.h5`, { name: 'models/mymodel.h5' }) // models/mymodel.h5
run.logArtifact(mymodel)

const top = new Artifact({ name: 'referred-images-at-the-top', type: 'dataset' })
await top.addReference(`${bucket}/images`) // cat.png, dog.png
run.logArtifact(top)

const below = new Artifact({ name: 'referred-images-below', type: 'dataset' })
await below.addReference(`${bucket}/images`, { name: 'images' }) // images/cat.png, images/dog.png
run.logArtifact(below)
