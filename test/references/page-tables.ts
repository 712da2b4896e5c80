import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { Storage } from '@google-cloud/storage'
import t, { type Test } from 'tap'
import { listEntries } from '../../fixtures/list-entries.js'
import {
  lacksServer,
  s3Environment,
  startGcsServer,
  startS3Server,
} from '../../fixtures/references/test-server.js'
import { useHome } from '../../fixtures/use-home.js'
import { type AddReferenceOptions, Artifact } from '../../src/index.js'

const OBJECTS = ['model.h5', 'checkpoints/model.h5', 'images/cat.png', 'images/dog.png']

/** The table of W&B's page "Construct an artifact", section "Add a URI reference". */
const ROWS: { path: string; options?: AddReferenceOptions; result: Record<string, string> }[] = [
  { path: 'model.h5', result: { 'model.h5': 'model.h5' } },
  { path: 'checkpoints/model.h5', result: { 'model.h5': 'checkpoints/model.h5' } },
  {
    path: 'model.h5',
    options: { name: 'models/mymodel.h5' },
    result: { 'models/mymodel.h5': 'model.h5' },
  },
  { path: 'images', result: { 'cat.png': 'images/cat.png', 'dog.png': 'images/dog.png' } },
  {
    path: 'images',
    options: { name: 'images' },
    result: { 'images/cat.png': 'images/cat.png', 'images/dog.png': 'images/dog.png' },
  },
]

async function checkRows(t: Test, bucket: string) {
  const { folder } = useHome(t)
  for (const [index, { path, options, result }] of ROWS.entries()) {
    const uri = `${bucket}/${path}`
    await t.test(`addReference('${uri}', ${JSON.stringify(options)})`, async t => {
      const artifact = new Artifact({ name: 'example', type: 'dataset' })
      await artifact.addReference(uri, options)
      t.same(await listEntries(artifact), Object.keys(result))
      const refs: string[] = []
      for await (const { ref } of artifact.entries()) refs.push(ref!)
      t.same(
        refs,
        Object.values(result).map(key => `${bucket}/${key}`),
      )
      const logged = await artifact.save({ project: 'p' })
      const root = await logged.download({ root: join(folder, `row-${index}`) })
      for (const [path, key] of Object.entries(result)) {
        t.equal(readFileSync(join(root, path), 'utf8'), `bytes of ${key}`, path)
      }
      t.same((await logged.verify(root)).problems, [], 'and nothing else is there')
    })
  }
}

t.test('s3', { skip: lacksServer('versitygw') }, async t => {
  const endpoint = await startS3Server(t)
  Object.assign(process.env, s3Environment(endpoint))
  const s3 = new S3Client({ endpoint, forcePathStyle: true })
  await s3.send(new CreateBucketCommand({ Bucket: 'my-bucket' }))
  for (const Key of OBJECTS) {
    await s3.send(new PutObjectCommand({ Bucket: 'my-bucket', Key, Body: `bytes of ${Key}` }))
  }
  await checkRows(t, 's3://my-bucket')
})

t.test('gs', { skip: lacksServer('fake-gcs-server') }, async t => {
  const apiEndpoint = await startGcsServer(t)
  const storage = new Storage({ projectId: 'lab', apiEndpoint })
  process.env.STORAGE_EMULATOR_HOST = apiEndpoint
  const [bucket] = await storage.createBucket('my-bucket')
  for (const key of OBJECTS) await bucket.file(key).save(`bytes of ${key}`, { resumable: false })
  await checkRows(t, 'gs://my-bucket')
})
