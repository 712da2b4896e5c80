import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { listEntries } from '../../fixtures/list-entries.js'
import { GS_BUCKETS, S3_BUCKETS } from '../../fixtures/references/start-buckets.js'
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

for (const { scheme, skip, start } of [S3_BUCKETS, GS_BUCKETS]) {
  t.test(scheme, { skip }, async t => {
    const { make, put } = await start(t)
    await make('my-bucket')
    for (const key of OBJECTS) await put('my-bucket', key)
    await checkRows(t, `${scheme}://my-bucket`)
  })
}
